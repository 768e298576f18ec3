"""The tree of errors, the exit codes, and the outcomes."""

import inspect
import re

from pipeline import errors
from pipeline.errors import ExitCode, LeadExportError, StopRun

CLASSES = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, LeadExportError)]


def drawn_parents(picture: str) -> dict[str, str]:
    """Each class in a drawn tree with its base."""
    parents, above = {}, ["LeadExportError"]
    for line in picture.splitlines():
        if match := re.match(r"([│ ├└─]+ )(\w+)", line):
            depth = len(match[1]) // 4
            parents[match[2]] = above[depth - 1]
            above[depth:] = [match[2]]
    return parents


def test_the_tree_in_the_documentation_is_the_tree() -> None:
    """Every class is in the tree at the top of the module, below its base."""
    parents = {cls.__name__: cls.__base__.__name__ for cls in CLASSES if cls.__base__ and cls is not LeadExportError}
    assert drawn_parents(errors.__doc__ or "") == parents


def test_the_exit_codes_in_the_documentation_are_the_codes() -> None:
    """The number next to a class that stops the run is its exit code."""
    drawn = dict(re.findall(r"(\w+) +(\d+): ", errors.__doc__ or ""))
    assert {name: str(int(getattr(errors, name).exit_code)) for name in drawn} == drawn
    assert {str(int(cls.exit_code)) for cls in CLASSES if issubclass(cls, StopRun)} == set(drawn.values())


def test_exit_codes_are_those_that_scripts_rely_on() -> None:
    """A number never changes its meaning, and each is documented."""
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "BUG": 1,
        "USAGE": 2,
        "ROWS_FAILED": 3,
        "REFUSED": 4,
        "UNAVAILABLE": 5,
        "STORAGE": 6,
        "BUSY": 7,
        "INCOMPLETE": 8,
        "LEADS_GONE": 9,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }
    assert all(code.meaning for code in ExitCode)


def test_an_error_carries_what_and_why() -> None:
    """A sentence, a short code that may be given more exactly, and the reply if there was one."""
    plain, exact = errors.MalformedReply("It broke."), errors.MalformedReply("It broke.", code="exact", body=b"{")
    assert (str(plain), plain.code, plain.body) == ("It broke.", errors.MalformedReply.code, None)
    assert (str(exact), exact.code, exact.body) == ("It broke.", "exact", b"{")
