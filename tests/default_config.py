"""configs/default.toml, generated from the fields of `Settings`; `python tests/default_config.py` writes it."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.settings import Settings

CONFIGS = Path(__file__).parent.parent / "configs"
DEFAULT = CONFIGS / "default.toml"
HEADER = """\
# Every setting with its default. Copy the lines you want to change, without the leading "# ", and pass the file with
# --config. Command-line options and LEAD_EXPORT_… variables (LEAD_EXPORT_RATE_PER_S=10) override this file.
"""


def render() -> str:
    """The whole file: each setting as a comment with its description; an unset one as an empty string."""
    defaults = Settings().model_dump(mode="json")
    entries = [
        # Strings, numbers, booleans and lists of strings are the same in JSON and TOML.
        f"\n# {field.description}\n# {key} = {json.dumps('' if defaults[key] is None else defaults[key])}\n"
        for key, field in Settings.model_fields.items()
    ]
    return HEADER + "".join(entries)


if __name__ == "__main__":
    DEFAULT.write_text(render(), encoding="utf-8")
