"""`check --as-cron`: the same checks in the environment that cron gives, where most jobs that fail at night do so.

cron starts a job in the home folder of its user, with nothing on standard input, and passes on nothing that a login
shell sets or exports: no locale, no credentials, and a short search path. Source: crontab(5) and cron(8) of Debian.
"""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import program
from pipeline.cli.output import print_message
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

SEARCH_PATH = "/usr/bin:/bin"
_ASSIGNMENT = re.compile(r"""\s*(["']?)([A-Za-z_]\w*)\1\s*=\s*(.*?)\s*""")
_QUOTED = re.compile(r"""(["'])(.*)\1""")


def repeat_as_cron(crontab: Path | None, *, quiet: bool) -> int:
    """Run the current command again as cron would, without the options `--as-cron` and `--crontab`.

    Args:
        crontab: a file whose variables are set, as cron does; None sets none.
        quiet: do not say what the environment is.

    Returns:
        Its exit code; it has printed what it found.

    Raises:
        UsageError: the crontab cannot be read, or the user or its home folder does not exist.
    """
    env = environment(crontab)
    words = [*program(), *_words(click.get_current_context())]
    if not quiet:
        where = f"in {env['HOME']}, with PATH={env['PATH']} and without the variables of your shell"
        print_message("info", f"As cron runs it: {where}. In a crontab, call the program {words[0]}.")
    try:
        return subprocess.run(words, env=env, cwd=env["HOME"], stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603 - this program
    except OSError as error:
        raise UsageError(f"cron could not start a job in {env['HOME']}: {error.strerror}.") from error


def environment(crontab: Path | None) -> dict[str, str]:
    """The variables that cron sets for a job of the current user, and those that a crontab sets.

    Raises:
        UsageError: the crontab cannot be read, or the user is not known.
    """
    try:
        user = pwd.getpwuid(os.getuid())
    except KeyError:
        raise UsageError(f"cron runs nothing for user {os.getuid()}, who has no entry in /etc/passwd.") from None
    known = {"HOME": user.pw_dir, "LOGNAME": user.pw_name, "SHELL": "/bin/sh", "PATH": SEARCH_PATH}
    return {**known, **(_assignments(crontab) if crontab else {})}


def _assignments(crontab: Path) -> dict[str, str]:
    """The variables that a crontab sets; values may be quoted."""
    try:
        lines = crontab.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text in UTF-8"
        raise UsageError(f"{crontab}: cannot be read ({reason}).") from None
    found = [match for line in lines if (match := _ASSIGNMENT.fullmatch(line))]
    return {match[2]: _QUOTED.sub(r"\2", match[3]) for match in found}


def _words(context: click.Context) -> Iterator[str]:
    """The words of the current command: its name, and the options that were given."""
    yield str(context.info_name)
    for param in context.command.params:
        value: Any = context.params.get(str(param.name))
        if param.name in ("as_cron", "crontab") or value in (None, False, 0, ()):
            continue
        if isinstance(param, click.Option) and param.count:
            yield from [param.opts[0]] * value
        elif value is True:
            yield param.opts[0]
        elif isinstance(value, tuple):
            yield from (word for one in value for word in (param.opts[0], one))
        else:
            yield from (param.opts[0], os.fspath(value) if isinstance(value, Path) else str(value))
