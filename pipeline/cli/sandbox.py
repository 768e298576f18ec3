"""`lead-export sandbox`: the simulated API in the foreground."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from pipeline.errors import UsageError
from pipeline.sandbox.options import SandboxOptions


class _Rehearsal(click.Command):
    """A command whose help ends with the table of behaviours, read only when help is asked for."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, then what each address does."""
        from pipeline.sandbox.behaviours import BEHAVIOURS

        super().format_epilog(ctx, formatter)
        with formatter.section("Addresses that do something else than being found"):
            formatter.write_dl([(behaviour.name, behaviour.description) for behaviour in BEHAVIOURS])


def _sentence(words: str) -> str:
    """Help as the other commands word it."""
    return f"{words[0].upper()}{words[1:]}."


def _switches(command: Any) -> Any:  # noqa: ANN401 - click's decorators take and give functions and commands alike
    """An option for each switch of the sandbox."""
    for field in reversed(dataclasses.fields(SandboxOptions)):
        name = f"--{field.name.replace('_', '-')}"
        explanation = _sentence(field.metadata["help"])
        if field.type is bool:
            option = click.option(f"{name}/--no-{name[2:]}", default=field.default, help=explanation)
        else:
            choices = field.metadata["choices"]
            kind: Any = click.Choice(choices) if choices else field.type
            option = click.option(name, type=kind, default=field.default, show_default=True, help=explanation)
        command = option(command)
    return command


@click.command(
    cls=_Rehearsal,
    epilog="""\b
Examples:
  lead-export sandbox --port 8020 --latency-ms 80
  lead-export run data/emails.csv --out export --config configs/sandbox.toml
  curl http://127.0.0.1:8020/stats

A behaviour is chosen by the part of an address before the @: its name alone, or followed by a dot, a plus
sign or an underscore and anything, as in not-found.17@example.com. Capitals stand for a number. Switches can
be changed while it runs: POST a JSON object of them to /control.
""",
)
@_switches
def sandbox(**switches: Any) -> None:  # noqa: ANN401 - the switches are declared in SandboxOptions
    """Simulate the API on this machine, for rehearsals and tests.

    Answers for invented people, always the same for the same address. Holds a strict limit of calls in any
    second, and misbehaves on demand. /stats counts what was asked.
    """
    from pipeline.sandbox.server import run_sandbox

    try:
        run_sandbox(SandboxOptions(**switches))
    except ValueError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"port {switches['port']}: {error.strerror}.") from error
