"""One tree of errors, sorted by what the caller does next.

LeadExportError
├── TryAgain               the call may work later and is retried
│   ├── Unreachable        no connection, or it broke
│   ├── StaleConnection    a pooled connection had been closed by the server
│   ├── OutOfFiles         no connection, as this process or machine has too many open files
│   ├── TimedOut           no answer in time
│   ├── ServerTrouble      HTTP 408 or 5xx
│   ├── FirewallPage       HTTP 403 with a page instead of an answer
│   ├── MalformedReply     empty, cut off, not JSON, or a Success that holds no lead
│   │   └── InvalidHttp    not HTTP, or beyond a limit of what is read
│   ├── EmailMismatch      the lead of another address
│   └── Throttled          over the API's limit
├── GiveUp                 this address fails, the run goes on
│   ├── UnknownApiError    an undocumented API error
│   ├── AddressRefused     the API rejects the address
│   └── ReplyTooLarge      more bytes than any lead should have
└── StopRun                the run ends, with an exit code
    ├── UsageError         2: usage, settings or input; nothing was called
    │   └── WrongArgument  of a Python function; a TypeError and a ValueError, too
    ├── ApiRefusal         4: the API refuses the credentials or the App
    │   ├── CredentialsRefused
    │   ├── PermissionRefused
    │   └── WrongEndpoint  redirect, 401, 404: not the API, or not a secure connection
    ├── ApiUnavailable     5: the API is unavailable
    ├── StorageError       6: local storage
    ├── FolderBusy         7: another run is using the folder
    ├── LeadsGone          9: implausibly many leads are gone
    ├── Interrupted        130: Ctrl-C
    ├── Terminated         143: SIGTERM or SIGHUP
    └── InternalError      1: a bug in lead-export
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pipeline.errors.exit_codes import ExitCode as ExitCode

if TYPE_CHECKING:
    from pathlib import Path


class LeadExportError(Exception):
    """Base of everything that this package raises on purpose; the message is one sentence for a person.

    Attributes:
        code: short machine-readable reason, as in the `code` column of `outcomes`.
        body: raw bytes of the reply that caused the error, if a whole one arrived.
        sent: whether a request may have been sent; False if the connection failed before that.
    """

    code: str = "error"
    sent: bool = True

    def __init__(self, message: str, *, code: str | None = None, body: bytes | None = None) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.body = body


class TryAgain(LeadExportError):
    """The call may work later; `retry_after_s` is the server's Retry-After in seconds, if it sent one."""

    retry_after_s: float | None = None


class Unreachable(TryAgain):
    """There was no connection, or it broke before the whole answer had arrived."""

    code = "connection"


class StaleConnection(TryAgain):
    """A pooled connection was no longer good for a request: the address itself has not failed."""

    code = "stale_connection"


class OutOfFiles(TryAgain):
    """No connection could be opened, because this process or this machine has too many open files."""

    code = "open_files"
    sent = False


class TimedOut(TryAgain):
    """No complete answer arrived within the configured time."""

    code = "timeout"


class ServerTrouble(TryAgain):
    """HTTP 408 or 5xx."""

    code = "http_5xx"


class FirewallPage(TryAgain):
    """HTTP 403 with a page: the firewall in front of the API, which may be temporary."""

    code = "http_403"


class MalformedReply(TryAgain):
    """The reply cannot be parsed as an answer."""

    code = "malformed"


class InvalidHttp(MalformedReply):
    """The reply breaks a rule of HTTP, or a limit of what is read."""

    code = "not_http"


class EmailMismatch(TryAgain):
    """The reply holds the lead of another address than the one that was asked for."""

    code = "email_mismatch"


class Throttled(TryAgain):
    """Over the rate limit."""

    code = "429"


class GiveUp(LeadExportError):
    """This address fails; the run goes on."""


class UnknownApiError(GiveUp):
    """An undocumented API error; `code` is the API's error type."""

    code = "unknown"


class AddressRefused(GiveUp):
    """The API rejects the address as malformed."""

    code = "206"


class ReplyTooLarge(GiveUp):
    """More bytes than any lead should have; reading stopped at the limit."""

    code = "too_large"


class StopRun(LeadExportError):
    """The run ends here with `exit_code`.

    Attributes:
        manifest: what was done so far, a `pipeline.jobs.manifest.Manifest`; None if the run had not started.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.BUG
    manifest: Any = None  # typed loosely, because errors are imported by everything, the manifest included


class UsageError(StopRun):
    """Invalid usage, settings or input."""

    code = "usage"
    exit_code = ExitCode.USAGE


class WrongArgument(UsageError, TypeError, ValueError):
    """An argument of a Python function has a type or a value that it cannot have."""

    code = "argument"

    @classmethod
    def of(cls, name: str, wanted: str, given: object) -> Self:
        """Say what the argument must be, and the type of what was given: never a value, which may be lead data."""
        if given is None:
            return cls(f"{name}: must be {wanted}, not None.")
        word = given.__name__ if isinstance(given, type) else type(given).__name__
        article = "the class" if isinstance(given, type) else "an" if word[0] in "aeiouAEIO" else "a"
        return cls(f"{name}: must be {wanted}, not {article} {word}.")


class ApiRefusal(StopRun):
    """The API refuses access; a retry would not help."""

    code = "refused"
    exit_code = ExitCode.REFUSED


class CredentialsRefused(ApiRefusal):
    """An App id, key or password is missing, wrong or inactive."""

    code = "credentials"


class PermissionRefused(ApiRefusal):
    """The App may not do this, or not from this IP address."""

    code = "permission"


class WrongEndpoint(ApiRefusal):
    """The server is not the API, or the connection is not secure."""

    code = "endpoint"


class ApiUnavailable(StopRun):
    """The API has not given a usable answer for too long."""

    code = "unavailable"
    exit_code = ExitCode.UNAVAILABLE


class StorageError(StopRun):
    """The disk is full, or a file or folder cannot be read or written."""

    code = "storage"
    exit_code = ExitCode.STORAGE

    @classmethod
    def of(cls, error: OSError, path: Path) -> Self:
        """Explain an error of the operating system about `path` in one sentence, with what to do."""
        return cls(f"{error.filename or path}: {error.strerror or error}{storage_advice(error.errno)}.")


_ADVICE = {
    (errno.ENOSPC, errno.EDQUOT): "free some space, then run the same command again to resume",
    (errno.EFBIG,): "allow larger files (ulimit -f) or use another disk, then run the same command again to resume",
    (errno.EROFS, errno.EACCES, errno.EPERM): "make it writable, then run the same command again to resume",
    (errno.ENOENT, errno.ENOTDIR, errno.ESTALE): "it was removed or replaced by something else",
    (errno.EIO,): "the disk may be failing",
    (errno.ENAMETOOLONG,): "choose a shorter name",
    (errno.EMFILE,): "raise the limit of open files (ulimit -n), then run the same command again to resume",
    (errno.ENFILE,): "this machine has too many open files; close some, then run the same command again to resume",
}
STORAGE_TROUBLE = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE)
)
"""Errors (numbers of `errno`) that a correctly named folder can cause."""


def storage_advice(number: int | None) -> str:
    """What to do about a storage error (a number of `errno`), to append to a message; "" if there is no advice."""
    return next((f"; {advice}" for numbers, advice in _ADVICE.items() if number in numbers), "")


class FolderBusy(StopRun):
    """Another run is using the output folder."""

    code = "busy"
    exit_code = ExitCode.BUSY


class LeadsGone(StopRun):
    """More leads are gone than is plausible, so that the fault is rather with the account than with the leads."""

    code = "leads_gone"
    exit_code = ExitCode.LEADS_GONE


class Interrupted(StopRun):
    """Ctrl-C (SIGINT)."""

    code = "interrupted"
    exit_code = ExitCode.INTERRUPTED


class Terminated(StopRun):
    """SIGTERM, or SIGHUP: the terminal was closed."""

    code = "terminated"
    exit_code = ExitCode.TERMINATED


class InternalError(StopRun):
    """A bug in lead-export: the API calls a request malformed, or the counts do not add up."""

    code = "bug"
