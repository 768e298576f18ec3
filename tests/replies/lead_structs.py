"""The structs of a lead in the documented shape, by the names that the tests use."""

from pipeline.replies import shape
from pipeline.replies.shape import DOCUMENTED

Lead = DOCUMENTED.lead
COLLECTIONS = {name: DOCUMENTED.items[name] for name in shape.COLLECTIONS}
CustomField, Option = DOCUMENTED.items["custom_fields"], DOCUMENTED.items[shape.OPTIONS]
