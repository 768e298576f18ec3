"""Whose leads a run fetched: runs of another account, or of a sandbox, say nothing about this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.settings.urls import LOOPBACK_HOSTS

if TYPE_CHECKING:
    from pipeline.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Account:
    """An App at an API.

    Attributes:
        api_url: as `api_of` gives it.
        app_hash: a hash of the App id, which is not to be stored itself.
    """

    api_url: str
    app_hash: str


def account_of(settings: Settings) -> Account:
    """The account that these settings ask."""
    return Account(api_of(settings.api_url), settings.app_hash())


def api_of(url: str) -> str:
    """Which API that is: a sandbox has another port every time."""
    return "loopback" if urlsplit(url).hostname in LOOPBACK_HOSTS else url
