"""`lead-export completion`: the script that makes a shell complete commands and options."""

from __future__ import annotations

import click

from pipeline.cli.output import print_result

SHELLS = ("bash", "zsh", "fish")


@click.command(
    "completion",
    epilog="""\b
Examples:
  lead-export completion bash > ~/.local/share/bash-completion/completions/lead-export
  lead-export completion zsh > ~/.zfunc/_lead-export
  lead-export completion fish > ~/.config/fish/completions/lead-export.fish

Bash needs version 4.4 or later; zsh needs the folder in its fpath. Start a new shell afterwards.
""",
)
@click.argument("shell", metavar="SHELL", type=click.Choice(SHELLS))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print the completion script for SHELL: bash, zsh or fish."""
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    root = context.find_root()
    name = str(root.info_name)
    kind = dict(zip(SHELLS, (BashComplete, ZshComplete, FishComplete), strict=True))[shell]
    variable = f"_{name}_COMPLETE".replace("-", "_").upper()  # which click reads
    print_result(kind(root.command, {}, name, variable).source())
