"""The people whom a command is about, named by their addresses: on the command line, or in lists."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.emails.address import Refusal, clean, key
from pipeline.emails.lists import STDIN
from pipeline.errors import UsageError
from pipeline.jobs.import_lists import email_lists

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.settings import Settings


def named_addresses(words: Sequence[str], lists: Sequence[Path], settings: Settings) -> list[str]:
    """The cleaned addresses, each once, in order; the word `-` stands for a list on standard input.

    Messages name an address by its place, never by what it is.

    Raises:
        UsageError: there is none, one is no address, or a list cannot be read.
    """
    places = [*lists, *(Path(STDIN) for word in words if word == STDIN)]
    found = {key(address): address for address in (*_of_words(words), *_of_lists(places, settings))}
    if not found:
        raise UsageError("No address is named; give some, or --list FILE, or - for standard input.")
    return [*found.values()]


def _of_words(words: Sequence[str]) -> Iterator[str]:
    for number, word in enumerate(words, 1):
        if word == STDIN:
            continue
        address = clean(word)
        if isinstance(address, Refusal):
            raise UsageError(f"ADDRESS {number}: {address.message}; nothing was done.")
        yield address


def _of_lists(paths: Sequence[Path], settings: Settings) -> Iterator[str]:
    for source in email_lists(paths, settings) if paths else ():
        source.fingerprint()  # what can be read only once is copied
        for line, given in source.numbered_cells():
            address = clean(given)
            if isinstance(address, Refusal):
                raise UsageError(f"{source.name}, {source.unit} {line:,}: {address.message}; nothing was done.")
            yield address
