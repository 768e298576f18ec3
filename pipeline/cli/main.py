"""`lead-export`: the group of commands, and what every way out of them says."""

from __future__ import annotations

import os
import signal
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from pipeline import process
from pipeline.cli import output
from pipeline.cli.check import check
from pipeline.cli.enrich import enrich
from pipeline.cli.plan import plan
from pipeline.cli.rebuild import rebuild
from pipeline.cli.run import run
from pipeline.cli.sandbox import sandbox
from pipeline.cli.schema import schema
from pipeline.cli.status import status
from pipeline.errors import ExitCode, StopRun
from pipeline.version import __version__

if TYPE_CHECKING:
    from types import FrameType

NAME = "lead-export"
CODES = "\n".join(f"{code.value:>5}  {code.meaning}" for code in ExitCode)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=f"\b\nExit codes:\n{CODES}\n\n\b\nStart with a rehearsal, no account needed:\n"
    "  lead-export run emails.csv --out export --sandbox",
)
@click.version_option(__version__, package_name=NAME)
def cli() -> None:
    """A list of email addresses in; leads, tags and transactions out.

    Asks Kartra's get_lead for every address of a list, at the limit of the API and never over it, keeps every
    answer, and publishes flat tables as Parquet or CSV with an account of every row.
    """


for command in (run, enrich, plan, check, status, rebuild, schema, sandbox):
    cli.add_command(command)


def main() -> NoReturn:
    """Run the command line; every error ends as one sentence on standard error and a documented exit code."""
    process.settle()
    os.umask(0o077)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error does, whatever the locale can print
    terminated = _interrupt_on_sigterm()
    try:
        code = cli(prog_name=NAME, standalone_mode=False) or ExitCode.OK
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = ExitCode.USAGE
    except click.ClickException as error:
        code = _say(_wrong_usage(error), ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        what, code = ("SIGTERM", ExitCode.TERMINATED) if terminated else ("Ctrl-C", ExitCode.INTERRUPTED)
        _say(f"Stopped by {what}; give the same command again to go on.", code)
    except StopRun as error:
        code = _say(str(error), error.exit_code)
    except SystemExit as exit_:
        # Click's own ways out: 0 after completion in a shell, 1 when nobody reads its help any more (`--help | head`).
        code = 128 + signal.SIGPIPE if exit_.code else ExitCode.OK
    except Exception as error:  # noqa: BLE001 - the last net: a traceback could print lead data
        code = _say(f"A bug in lead-export ({_where(error)}); please report it.", ExitCode.BUG)
    process.leave()
    sys.exit(int(code))


def _interrupt_on_sigterm() -> list[int]:
    """Have SIGTERM end everything the way Ctrl-C does; return a list that then holds the signal."""
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        # While calls are in flight asyncio has a handler of its own; a shell's background job has none at all.
        handler = signal.getsignal(signal.SIGINT)
        (handler if callable(handler) else signal.default_int_handler)(number, frame)

    signal.signal(signal.SIGTERM, interrupt)
    return received


def _say(message: str, code: int) -> int:
    output.say("error", message if output.Voice.as_json else f"{NAME}: {message}")
    return code


def _wrong_usage(error: click.ClickException) -> str:
    """What click says, on one line, and where to read on."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f" Try '{context.command_path} --help'." if context else ""
    return error.format_message() + hint


def _where(error: BaseException) -> str:
    """The kind of an error and the line it came from, without its text, which may hold data."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "unknown place"
    return f"{type(error).__name__} at {place}"
