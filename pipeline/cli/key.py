"""`lead-export key`: the key under which people are hashed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import UserPath
from pipeline.cli.output import print_message, print_result

if TYPE_CHECKING:
    from pathlib import Path


@click.group(
    "key",
    epilog="""\b
Example:
  lead-export key new /etc/lead-export/privacy.key

Hashes need a key: those of people who are not to be asked for again, and those of columns. Name its file in the
setting privacy_key_file. Keep a copy of it apart from the output folder: no other key can take its place.
""",
)
def key_group() -> None:
    """Make the key under which people are hashed."""


@key_group.command(
    "new",
    epilog="""\b
Example:
  lead-export key new /etc/lead-export/privacy.key

The key is 32 random bytes, as one line of hexadecimal digits. Only the owner of FILE can read it. A file that
exists is never touched. The id of the key, which names it in other files, is printed; the key is not.
""",
)
@click.argument("file", metavar="FILE", type=UserPath(dir_okay=False))
@click.option("-q", "--quiet", is_flag=True, help="Do not say what to do next.")
def new_command(file: Path, *, quiet: bool) -> None:
    """Write a new random key to FILE."""
    from pipeline.privacy.key import create_key

    key = create_key(file)
    print_result(key.id)
    if not quiet:
        print_message(
            "info",
            f"{file}: written. Set privacy_key_file to it, and keep a copy apart from the output folder: without this"
            " key nobody can tell any more who is not to be asked for, or add to what it has hashed.",
        )
