"""The words that invented people are composed of: many scripts, awkward strings, values of every documented kind.

None of these people exist: the domains are example.com and the like, the phone numbers 555-01xx, and the IP addresses
from the ranges reserved for documentation.
"""

# First, middle and last name.
NAMES = (
    ("Zoë", "", "Lindqvist"),
    ("José", "María", "Núñez de la Peña"),
    ("Seán", "", "O'Example"),
    ("Łucja", "Żaneta", "Wiśniewska"),
    ("Bjørn", "", "Ångström-Test"),
    ("Đorđe", "", "Šimić"),
    ("Ελένη", "", "Παπαδοπούλου"),
    ("Νίκος", "Γ.", "Δοκιμής"),
    ("Анна", "Сергеевна", "Примерова"),
    ("Богдан", "", "Зразковий"),
    ("ليلى", "", "المثال"),
    ("يوسف", "أحمد", "التجريبي"),
    ("נועה", "", "לדוגמה"),
    ("אורי", "בן", "מבחן"),
    ("प्रिया", "", "उदाहरण"),
    ("अर्जुन", "कुमार", "परीक्षण"),
    ("小明", "", "王"),
    ("美丽", "", "李"),
    ("さくら", "", "例山"),
    ("太郎", "", "見本"),
    ("지우", "", "김"),
    ("민준", "", "예시"),
    ("Mary Ann", "J.", "van der Sample"),
    ("Tom", "", 'Example "Tex" Jr.'),
    ("Null", "", "Void"),
    ("", "", ""),
)

# City, state, zip, country, phone country code. Zips may have leading zeros or letters.
PLACES = (
    ("Boston", "MA", "02108", "United States", "1"),
    ("Holtsville", "NY", "00501", "United States", "1"),
    ("São Paulo", "SP", "01000-000", "Brazil", "55"),
    ("Malmö", "", "211 20", "Sweden", "46"),
    ("Αθήνα", "Αττική", "104 31", "Greece", "30"),
    ("Київ", "", "01001", "Ukraine", "380"),
    ("القاهرة", "", "11511", "Egypt", "20"),
    ("नई दिल्ली", "Delhi", "110001", "India", "91"),
    ("北京", "", "100000", "China", "86"),
    ("東京", "東京都", "100-0001", "Japan", "81"),
    ("서울", "", "04524", "South Korea", "82"),
    ("London", "", "EC1A 1BB", "United Kingdom", "44"),
    ("", "", "", "", ""),
)
STREETS = ("1 Example Road", "12/3 Test Lane, Flat 4", "Straße des Beispiels 5", "", "-7 Odd Street", "PO Box 0042")
PHONES = ("5555550{}", "05555550{}", "+1 555 555 0{}", "(555) 555-0{}", "555.555.0{}", "")

# Strings that careless code splits, evaluates, trims or garbles.
AWKWARD = (
    "first line\nsecond line\r\nthird line",
    'she said "yes", then "no"',
    "commas, semicolons; pipes | and\ttabs",
    "=1+1",
    "+1 on this one",
    "-2 points",
    "@everyone",
    "back\\slash and C:\\new\\table",
    "🎉 party 👩‍👩‍👧 family",
    "  blanks around  ",
    "<b>bold</b> & more",
    "null",
    "'quoted'",
    "naïve façade \u2013 \u2018curly\u2019 … \u00a0end",
    "\u202bright to left\u202c",
    "0",
)

# The number of tags is prime, so that stepping through them with any stride visits each one once.
TAGS = (
    "customer", "prospect", "vip", "webinar-2019", "webinar-2024", "newsletter", "opened, not clicked",
    "cart; abandoned", "a|b test", "Tag With Blanks", "tag with \"quotes\"", "=SUM(A1:A9)", "+upsell", "-churned",
    "@partner", "läuft", "Ελλάδα", "новый клиент", "مهتم", "לקוח", "ग्राहक", "新客户", "お客様", "고객", "🔥 hot",
    "refund requested", "course: basics", "course: advanced", "back\\slash", "2021/05 launch", "black-friday",
    "affiliate", "double opt-in", "unsubscribed", "source=ads", "event\tattended", "trial", "trial-expired",
    "survey:yes", "survey:no", "100%",
)  # fmt: skip
LISTS = ("newsletter", "launch", "customers, paying", "Événements", "ニュース", "affiliates; 2024", "waiting | list")
SEQUENCES = ("onboarding", "launch-follow-up", 'win back, "soft"', "Übersicht", "сериал", "=sequence", "reminders")
STEPS = ("1", "2", "3", "7", "12", "Step 4: the offer", "0")
SEQUENCE_STATUSES = ("active", "unsubscribed", "active", "completed")
MEMBERSHIPS = ("academy", "inner circle", "Académie, niveau pro", "会員", "alumni | forum")
LEVELS = ("bronze", "silver", "gold", 'platinum "plus"', "level 0")
PRODUCTS = (
    "test product", "Course: the basics", "Book, 2nd edition", "Coaching; 1 hour", "Café \"premium\"", "商品",
    "Упаковка", "=bundle", "bump | offer", "T-shirt\nsize M", "",
)  # fmt: skip
# Mostly the documented spellings, and others seen in practice.
TRANSACTION_TYPES = (
    "Sale", "Sale", "Sale", "Sale", "Rebill", "Rebill", "Refund", "Cancelation", "Chargeback", "sale", "REBILL",
    "Cancellation", "partial_refund", "charge-back", "Trial started",
)  # fmt: skip
SOURCES = (
    "single-optin", "double-optin", "helpdesk", "affiliate-signup", "checkout", "import", "api", "manual", "quiz",
)  # fmt: skip
TIME_ZONES = ("", "", "America/New_York", "Europe/Stockholm", "Asia/Tokyo", "(GMT-05:00) Eastern Time")
WEBSITES = ("", "", "", "https://www.example.com/", "http://blog.example.org/?a=1&b=2", "example.net")

DISHES = ("beef lasagna", "crêpes", "寿司", "борщ", "mac & cheese")
LOYALTY_NUMBERS = ("000123", "0042", "1E5", "7700000000000000001", "+0")
# Identifier, type, and the options or sample values; option ids are unique only within a field.
CUSTOM_FIELDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("favourite_dish", "input_field", DISHES),
    ("Loyalty-Number", "input_field", LOYALTY_NUMBERS),
    ("delivery_notes", "text_area", AWKWARD),
    ("shirt_size", "drop_down", ("small", "medium", "large", "X-large, tall")),
    ("contact_by", "radio_button", ("email", "phone", "post; only letters")),
    ("interests", "checkbox", ("cooking", "travel", "books, films", "音楽", "=maths", "a|b")),
    ("allergies", "checkbox", ("nuts", "milk", "none")),
)
# Fields that the account gets as people age; their ids continue those above.
LATER_CUSTOM_FIELDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("lucky-number", "input_field", ("7", "007", "13; or none")),
    ("languages", "checkbox", ("English", "Español", "中文, simplified")),
)
