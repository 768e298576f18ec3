"""Files that hold one secret each, which the environment names.

Such files are what systemd, Docker and Kubernetes hand to a process. Unlike variables, they are not inherited by every
process that it starts, and they do not show in listings of its environment.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.filesystem import expand_home, why_not_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE_SUFFIX = "_FILE"
"""A variable of this ending names the file that holds the secret."""
DIRECTORY_VARIABLE = "CREDENTIALS_DIRECTORY"
"""Names a folder of such files, each named after its variable or its setting; systemd sets it for `LoadCredential=`."""
_MAX_BYTES = 65_536


def from_files(
    secrets: Mapping[str, str], environ: Mapping[str, str], *, by_setting: bool = True
) -> dict[str, dict[str, object]]:
    """The secrets in files that the environment names, by path and setting.

    A file that a variable such as `KARTRA_API_KEY_FILE` names is stronger than one in `CREDENTIALS_DIRECTORY`.

    Args:
        secrets: the wanted ones, with their variables.
        environ: the environment.
        by_setting: whether a file in that folder may also be named after its setting.

    Raises:
        UsageError: a file is missing, unreadable, empty or not private, or holds something else than one line.
    """
    layers: dict[str, dict[str, object]] = {}
    for key, variable in secrets.items():
        names = (variable, key) if by_setting else (variable,)
        source, path = next(_files(names, environ), (None, None))
        if source and path:
            layers.setdefault(str(path), {})[key] = _read(path, source)
    return layers


def _files(names: tuple[str, ...], environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Where a secret may be, strongest first: the variable that says so, and the file; its own variable comes first."""
    variable = names[0]
    if given := environ.get(variable + FILE_SUFFIX):
        try:
            yield variable + FILE_SUFFIX, Path(expand_home(given))
        except ValueError as error:
            raise UsageError(f"{variable + FILE_SUFFIX}: {error}.") from None
    if folder := environ.get(DIRECTORY_VARIABLE):
        for name in names:
            if _exists(path := Path(folder, name)):
                yield DIRECTORY_VARIABLE, path


def _exists(path: Path) -> bool:
    """Whether there is a file; whatever keeps one from knowing is reported when the file is read."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _read(path: Path, source: str) -> str:
    """The secret in a file, without the line feed at its end."""
    try:
        remedy = why_not_private(path)
        with path.open("rb") as file:
            secret = file.read(_MAX_BYTES).decode().strip()
    except OSError as error:
        raise UsageError(f"{source}: {path} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError:
        raise UsageError(f"{source}: {path} is not text in UTF-8; it must hold the secret and nothing else.") from None
    if remedy:
        raise UsageError(f"{source}: {path} holds a secret but is not private; {remedy}.")
    if len(secret.splitlines()) != 1:
        problem = "holds more than one line" if secret else "is empty"
        raise UsageError(f"{source}: {path} {problem}; it must hold the secret and nothing else.")
    return secret
