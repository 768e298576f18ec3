"""`lead-export`: the group of commands, and what every way out of them says."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from pipeline import __version__
from pipeline.cli.run import run
from pipeline.cli.sandbox import sandbox
from pipeline.cli.schema import schema
from pipeline.errors import ExitCode, StopRun

CODES = "\n".join(f"{code.value:>5}  {code.meaning}" for code in ExitCode)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=f"\b\nExit codes:\n{CODES}\n\n\b\nStart with a rehearsal, no account needed:\n"
    "  lead-export run emails.csv --out export --sandbox",
)
@click.version_option(__version__, package_name="lead-export")
def cli() -> None:
    """A list of email addresses in; leads, tags and transactions out.

    Asks Kartra's get_lead for every address of a list, at the limit of the API and never over it, keeps every
    answer, and publishes flat tables as Parquet or CSV with an account of every row.
    """


cli.add_command(run)
cli.add_command(schema)
cli.add_command(sandbox)


def main() -> NoReturn:
    """Run the command line; every error ends as one sentence on standard error and a documented exit code."""
    os.umask(0o077)
    try:
        code = cli(standalone_mode=False) or 0
    except click.exceptions.Exit as exit_:
        code = exit_.exit_code
    except click.ClickException as error:
        error.show()
        code = ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        code = _say("Stopped by Ctrl-C. What was answered is kept; the same command goes on from there.", 130)
    except StopRun as error:
        code = _say(str(error), error.exit_code)
    except BrokenPipeError:
        # Whoever read our output has gone; what Python still holds for them must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.STORAGE
    except Exception as error:  # noqa: BLE001 - the last net: a traceback could print lead data
        code = _say(f"A bug in lead-export ({_where(error)}); please report it.", ExitCode.BUG)
    sys.exit(int(code))


def _say(message: str, code: int) -> int:
    click.echo(f"lead-export: {message}", err=True)
    return code


def _where(error: BaseException) -> str:
    """The kind of an error and the line it came from, without its text, which may hold data."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "unknown place"
    return f"{type(error).__name__} at {place}"
