"""One tree of errors, sorted by what the caller does next.

LeadExportError
├── TryAgain               the call may work later: it is made again
│   ├── Unreachable        no connection, or it broke
│   ├── StaleConnection    a pooled connection had been closed by the server
│   ├── TimedOut           no answer in time
│   ├── ServerTrouble      HTTP 408 or 5xx
│   ├── FirewallPage       HTTP 403 with a page instead of an answer
│   ├── MalformedReply     empty, cut off, not JSON, or a Success that holds no lead
│   └── Throttled          over the API's limit
├── GiveUp                 this address fails, the run goes on
│   ├── UnknownApiError    an error that no documentation names
│   ├── AddressRefused     the API takes this for no address
│   └── ReplyTooLarge      more bytes than any lead has
└── StopRun                the run ends, with an exit code
    ├── UsageError         2: usage, settings or input; nothing was called
    ├── ApiRefusal         4: the API refuses us
    │   ├── CredentialsRefused
    │   ├── PermissionRefused
    │   └── WrongEndpoint  redirects, 401, 404: this is not the API, or not over a secure connection
    ├── ApiUnavailable     5: the API is not there
    ├── StorageError       6: local storage
    ├── FolderBusy         7: another run holds the folder
    ├── Interrupted        130: Ctrl-C
    ├── Terminated         143: SIGTERM
    └── InternalError      1: a bug of ours
"""

from __future__ import annotations

import errno
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class ExitCode(IntEnum):
    """What the process says to cron; the text is the documentation."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        """Attach the sentence that documents the code."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    OK = 0, "every row is accounted for and none failed"
    BUG = 1, "a bug in lead-export; please report it"
    USAGE = 2, "wrong usage, settings, input or output folder; nothing was called"
    ROWS_FAILED = 3, "done, but some rows failed; a run lists them in failures.csv"
    REFUSED = 4, "stopped: the API refuses us (credentials, App, permission, address of the API)"
    UNAVAILABLE = 5, "stopped: the API is unavailable"
    STORAGE = 6, "stopped: local storage (disk full, not writable, files damaged)"
    BUSY = 7, "another run holds the output folder"
    INTERRUPTED = 130, "stopped by SIGINT (Ctrl-C)"
    TERMINATED = 143, "stopped by SIGTERM"


class LeadExportError(Exception):
    """Root of everything this package raises on purpose; the message is one sentence for a person.

    Attributes:
        code: short machine-readable reason, as it stands in the `code` column of `outcomes`.
        body: raw bytes of the reply that caused it, if one arrived whole.
        sent: whether a request may have left; errors of the network before that say no.
    """

    code: str = "error"
    sent: bool = True

    def __init__(self, message: str, *, code: str | None = None, body: bytes | None = None) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.body = body


class TryAgain(LeadExportError):
    """The call may work later."""


class Unreachable(TryAgain):
    """No connection, or it broke before the answer was whole."""

    code = "connection"


class StaleConnection(TryAgain):
    """A pooled connection was no longer good for a request: the address itself has not failed."""

    code = "stale_connection"


class TimedOut(TryAgain):
    """No whole answer within the configured time."""

    code = "timeout"


class ServerTrouble(TryAgain):
    """HTTP 408 or 5xx."""

    code = "http_5xx"


class FirewallPage(TryAgain):
    """HTTP 403 with a page: the firewall before the API, which may relent."""

    code = "http_403"


class MalformedReply(TryAgain):
    """A reply that cannot be read as an answer."""

    code = "malformed"


class Throttled(TryAgain):
    """Over the limit; `retry_after_s` is what the server asked for, if it did."""

    code = "429"
    retry_after_s: float | None = None


class GiveUp(LeadExportError):
    """This address fails; the run goes on."""


class UnknownApiError(GiveUp):
    """An error type that no documentation names; `code` is the API's own."""

    code = "unknown"


class AddressRefused(GiveUp):
    """The API takes this for no address at all."""

    code = "206"


class ReplyTooLarge(GiveUp):
    """More bytes than any lead has; reading stopped at the limit."""

    code = "too_large"


class StopRun(LeadExportError):
    """The run ends here with `exit_code`.

    Attributes:
        report: the manifest of what was done so far, once a run had begun.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.BUG
    report: Mapping[str, object] | None = None


class UsageError(StopRun):
    """Wrong usage, settings or input."""

    code = "usage"
    exit_code = ExitCode.USAGE


class ApiRefusal(StopRun):
    """The API refuses us; asking again would not help."""

    code = "refused"
    exit_code = ExitCode.REFUSED


class CredentialsRefused(ApiRefusal):
    """An App id, key or password is missing, wrong or inactive."""

    code = "credentials"


class PermissionRefused(ApiRefusal):
    """The App may not do this, or not from this IP address."""

    code = "permission"


class WrongEndpoint(ApiRefusal):
    """What answers is not the API, or not over a secure connection."""

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
        """Say in one sentence what an error of the operating system means for `path`, and what to do."""
        return cls(f"{error.filename or path}: {error.strerror or error}{storage_advice(error.errno)}.")


_ADVICE = {
    (errno.ENOSPC, errno.EDQUOT): "make room there, then give the same command again to go on",
    (errno.EFBIG,): "allow larger files (ulimit -f) or take another disk, then give the same command again to go on",
    (errno.EROFS, errno.EACCES, errno.EPERM): "make it writable, then give the same command again to go on",
    (errno.ENOENT, errno.ENOTDIR, errno.ESTALE): "something removed it or put something else in its place",
    (errno.EIO,): "the disk may be failing",
    (errno.ENAMETOOLONG,): "choose a shorter name",
}
STORAGE_TROUBLE = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM))
"""What can be wrong with a folder that was named correctly (numbers of `errno`)."""


def storage_advice(number: int | None) -> str:
    """What to do about an error of storage (a number of `errno`), to be put behind its text; "" if that is unknown."""
    return next((f"; {advice}" for numbers, advice in _ADVICE.items() if number in numbers), "")


class FolderBusy(StopRun):
    """Another run holds the output folder."""

    code = "busy"
    exit_code = ExitCode.BUSY


class Interrupted(StopRun):
    """Somebody pressed Ctrl-C."""

    code = "interrupted"
    exit_code = ExitCode.INTERRUPTED


class Terminated(StopRun):
    """Somebody, or the system, asked the process to end."""

    code = "terminated"
    exit_code = ExitCode.TERMINATED


class InternalError(StopRun):
    """A bug of ours: a request the API calls malformed, or a tally that does not add up."""

    code = "bug"
