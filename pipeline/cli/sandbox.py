"""`lead-export sandbox`, the simulated API in the foreground, and `--sandbox`, the same for the duration of one job."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import click

from pipeline.errors import InternalError, UsageError
from pipeline.sandbox.options import SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

sandbox_option = click.option("--sandbox", is_flag=True, help="Use a simulated API on this machine; needs no account.")


@contextmanager
def temporary_sandbox(*, start: bool) -> Iterator[dict[str, object]]:
    """Run a sandbox as a child process during the block, if `start` is set.

    Yields the settings that point a job to it, credentials included, so that real credentials are never sent to it.

    Raises:
        InternalError: the sandbox did not start.
    """
    if not start:
        yield {}
        return
    from pipeline.sandbox.process import running

    options = SandboxOptions()
    with ExitStack() as stack:
        try:
            sandbox = stack.enter_context(running(options))
        except RuntimeError as error:
            raise InternalError(str(error)) from error
        yield {
            "api_url": sandbox.url,
            "app_id": options.app_id,
            "api_key": options.api_key,
            "api_password": options.api_password,
        }


def of_account(overrides: Mapping[str, object], name: str) -> dict[str, object]:
    """What `temporary_sandbox` yields, with an App id for each account, so that each has a limit of its own."""
    return {**overrides, "app_id": f"{overrides['app_id']}-{name}"} if overrides else {}


class CommandWithBehaviours(click.Command):
    """A command whose help ends with the table of behaviours, which is loaded only to show it."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, then what each address does."""
        from pipeline.sandbox.behaviours import BEHAVIOURS

        super().format_epilog(ctx, formatter)
        with formatter.section("Addresses with a behaviour of their own"):
            formatter.write_dl([(behaviour.name, behaviour.description) for behaviour in BEHAVIOURS])


def _takes_switches(command: Any) -> Any:  # noqa: ANN401 - click's decorators take and return functions and commands
    """Add an option for each switch of the sandbox."""
    for field in reversed(dataclasses.fields(SandboxOptions)):
        name = f"--{field.name.replace('_', '-')}"
        explanation: str = field.metadata["help"]
        sentence = f"{explanation[0].upper()}{explanation[1:]}."
        if field.type is bool:
            option = click.option(f"{name}/--no-{name[2:]}", default=field.default, help=sentence)
        else:
            choices = field.metadata["choices"]
            kind: Any = click.Choice(choices) if choices else field.type
            option = click.option(name, type=kind, default=field.default, show_default=True, help=sentence)
        command = option(command)
    return command


@click.command(
    "sandbox",
    cls=CommandWithBehaviours,
    epilog="""\b
Examples:
  lead-export sandbox --port 8020 --latency-ms 80
  lead-export run data/emails.csv --out export --config configs/sandbox.toml
  curl http://127.0.0.1:8020/stats

The part of an address before the @ selects a behaviour: its name, alone or followed by a dot, a plus sign or
an underscore and anything, as in not-found.17@example.com. Capital letters stand for a number. To change
switches while the sandbox runs, POST them to /control as a JSON object.
""",
)
@_takes_switches
def sandbox_command(**switches: Any) -> None:  # noqa: ANN401 - the switches are declared in SandboxOptions
    """Simulate the API on this machine, for dry runs and tests.

    Returns invented people, always the same ones for the same address, enforces a strict rate limit, and
    misbehaves on demand. /stats counts the calls.
    """
    from pipeline.sandbox.server import run_sandbox

    try:
        run_sandbox(SandboxOptions(**switches))
    except ValueError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"port {switches['port']}: {error.strerror}.") from error
