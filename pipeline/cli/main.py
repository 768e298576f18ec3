"""`lead-export`: the group of commands, and how every way out of them is reported."""

from __future__ import annotations

import gc
import importlib.util
import os
import signal
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, NoReturn

import click

from pipeline.cli.changes import changes_command
from pipeline.cli.check import check_command
from pipeline.cli.completion import completion_command
from pipeline.cli.config import config_group
from pipeline.cli.enrich import enrich_command
from pipeline.cli.expire import expire_command
from pipeline.cli.key import key_group
from pipeline.cli.lane import lane_command
from pipeline.cli.monitor import Monitor
from pipeline.cli.output import MessageFormat, is_of_output, not_printed, print_message
from pipeline.cli.person import person_command
from pipeline.cli.plan import plan_command
from pipeline.cli.purge import purge_command
from pipeline.cli.rebuild import rebuild_command
from pipeline.cli.report import report_command
from pipeline.cli.run import run_command
from pipeline.cli.run_all import run_all_command
from pipeline.cli.sandbox import sandbox_command
from pipeline.cli.schema import schema_command
from pipeline.cli.screen import discard
from pipeline.cli.status import status_command
from pipeline.cli.timeline import timeline_command
from pipeline.cli.unsuppress import unsuppress_command
from pipeline.cli.verify import verify_command
from pipeline.errors import ExitCode, InternalError, StopRun
from pipeline.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

NAME = "lead-export"
_NO_MEMORY = (
    "there is not enough memory; raise the limit of this process (ulimit -v) or of its container, or free some, then"
    " run the same command again to resume."
)
CODES = "\n".join(f"{code.value:>5}  {code.meaning}" for code in ExitCode)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=f"\b\nExit codes:\n{CODES}\n\n\b\nTo try it out without an account:\n"
    "  lead-export run emails.csv --out export --sandbox",
)
@click.version_option(__version__, package_name=NAME)
def cli() -> None:
    """A list of email addresses in; leads, tags and transactions out.

    Calls Kartra's get_lead for every address of a list, at the rate limit of the API and never above it, stores
    every answer, and publishes flat tables as Parquet or CSV that account for every row.
    """


for command in (
    run_command,
    run_all_command,
    enrich_command,
    plan_command,
    check_command,
    status_command,
    rebuild_command,
    verify_command,
    report_command,
    changes_command,
    timeline_command,
    expire_command,
    person_command,
    purge_command,
    schema_command,
    unsuppress_command,
    key_group,
    config_group,
    sandbox_command,
    completion_command,
    lane_command,
):
    cli.add_command(command)


def main() -> NoReturn:
    """Run the command line in a process of its own."""
    if importlib.util.find_spec("fcntl") is None:  # Windows
        text = "needs Linux or macOS, because this system has no file locks (fcntl). On Windows, install it in WSL."
        sys.exit(_fail(text, ExitCode.USAGE)[0])
    # A run makes millions of objects and hardly any reference cycles; looking for these less often saves a tenth of it.
    gc.set_threshold(50_000, 20, 100)
    os.umask(0o077)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # like standard error, whatever the locale can encode
    code = execute(signals=_interrupt_on_signals())
    # Python's last search for reference cycles would take a quarter of a second after pandas; the memory goes anyway.
    gc.freeze()
    sys.exit(code)


def execute(arguments: Sequence[str] | None = None, *, signals: Sequence[int] = ()) -> int:
    """Run one command and return its documented exit code; every error is reported on standard error.

    Args:
        arguments: those of the command line; None takes them from the process.
        signals: those received so far that look like Ctrl-C, as SIGTERM and SIGHUP do.
    """
    MessageFormat.as_json = MessageFormat.with_frames = False
    monitor = Monitor()
    code, sentence = _execute(arguments, monitor, signals)
    monitor.ended(code, sentence)
    return code


def _execute(arguments: Sequence[str] | None, monitor: Monitor, signals: Sequence[int]) -> tuple[int, str]:
    """Run one command; return its exit code, and one sentence about what happened."""
    try:
        code = cli.main(arguments, prog_name=NAME, standalone_mode=False, obj=monitor) or ExitCode.OK
        ended = int(code), monitor.sentence
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        ended = ExitCode.USAGE, ""
    except click.ClickException as error:
        ended = _fail(_usage_message(error), ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        what, code = "Ctrl-C", ExitCode.INTERRUPTED
        if signals:
            what, code = signal.Signals(signals[0]).name, ExitCode.TERMINATED
        ended = _fail(_with_run(f"Stopped by {what}; run the same command again to resume.", code, monitor), code)
    except InternalError as error:
        ended = _fail(_explained(error, monitor), error.exit_code, error)
    except StopRun as error:
        if MessageFormat.with_frames:
            print_message("debug", _with_frames("Where this was raised:", error))
        ended = _fail(_explained(error, monitor), error.exit_code)
    except SystemExit as exit_:
        # Click's own exits: 0 after shell completion, 1 if the reader of its help has gone (`--help | head`).
        ended = (128 + signal.SIGPIPE if exit_.code else 0), ""
    except Exception as error:  # noqa: BLE001 - the last resort: Python's own traceback could print lead data
        ended = _unexpected(error, monitor)
    return ended


def _unexpected(error: Exception, monitor: Monitor) -> tuple[int, str]:
    """Report an error that nothing else has explained; return its exit code and a sentence."""
    if isinstance(error, OSError) and is_of_output(error):
        discard(sys.stdout)
        return _fail(not_printed(error), ExitCode.STORAGE)
    if isinstance(error, MemoryError):
        return _fail(_with_run(_NO_MEMORY, ExitCode.STORAGE, monitor), ExitCode.STORAGE)
    text = _with_run("A bug in lead-export; please report it with these lines.", ExitCode.BUG, monitor)
    return _fail(text, ExitCode.BUG, error)


def _interrupt_on_signals() -> list[int]:
    """Make SIGTERM, and SIGHUP unless `nohup` has it ignored, act like Ctrl-C; return a list that then holds them."""
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        # During calls asyncio has its own handler; a shell's background job has none at all.
        handler = signal.getsignal(signal.SIGINT)
        (handler if callable(handler) else signal.default_int_handler)(number, frame)

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # asks for progress; where there is none to report it ends nothing
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, interrupt)
    return received


def _fail(message: str, code: int, bug: Exception | None = None) -> tuple[int, str]:
    """Print why the command fails, for a bug with its frames; return the exit code and the message."""
    shown = message if bug is None else _with_frames(message, bug)
    print_message("error", shown if MessageFormat.as_json else f"{NAME}: {shown}")
    return int(code), message


def _explained(error: StopRun, monitor: Monitor) -> str:
    """The message of an error; if it ended a run, with how far that got and how it goes on."""
    if error.manifest is None:
        return str(error)
    from pipeline.cli import summary

    monitor.manifest = error.manifest
    return summary.stopped(error.manifest, str(error), error.exit_code)


def _with_run(message: str, code: int, monitor: Monitor) -> str:
    """The message, with the name of the run if there is one."""
    return f"{message} Run {monitor.run_id} ended with exit code {code:d}." if monitor.run_id else message


def _usage_message(error: click.ClickException) -> str:
    """Click's message on one line, with a pointer to the help."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f" Try '{context.command_path} --help'." if context else ""
    return error.format_message() + hint


def _with_frames(message: str, error: BaseException) -> str:
    from pipeline.cli.traces import frames

    return "\n".join([message, *(f"  {line}" for line in frames(error))])
