"""Two folders that change places in one step, so that whoever reads one of them by its name always finds a whole one.

Linux has renameat2(2) with RENAME_EXCHANGE, macOS has renamex_np(2) with RENAME_SWAP. Where the file system has
neither, as on some network shares, there are two steps, and between them the name is missing for a moment; `recover`
puts back a folder whose process was killed there.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Swap = Callable[[bytes, bytes], int]

REPLACED = ".replaced"
"""How the name of a folder ends that gives way to another, where that takes two steps."""
_AT_FDCWD, _RENAME_EXCHANGE, _RENAME_SWAP = -100, 2, 2
_CANNOT = frozenset((errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP))
"""What the system says where this kernel or this file system cannot exchange."""


def system_swap() -> Swap | None:
    """What exchanges two paths on this system, and returns 0 or a number of `errno`; None if there is nothing."""
    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "renameat2"):
        linux = library.renameat2
        linux.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
        return lambda one, other: _number(linux(_AT_FDCWD, one, _AT_FDCWD, other, _RENAME_EXCHANGE))
    if hasattr(library, "renamex_np"):
        macos = library.renamex_np
        macos.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint]
        return lambda one, other: _number(macos(one, other, _RENAME_SWAP))
    return None


def exchange(new: Path, place: Path, swap: Swap | None) -> bool:
    """Let the folder `new` take the place of the folder `place`, which is then where `new` was.

    Args:
        new: what is to be at `place`.
        place: what is there now, on the same disk.
        swap: what exchanges them, from `system_swap`.

    Returns:
        Whether that was one step; if not, there was nothing at `place` for a moment.

    Raises:
        OSError: it cannot be done; both are where they were.
    """
    number = swap(os.fsencode(new), os.fsencode(place)) if swap else errno.ENOSYS
    if number == 0:
        return True
    if number not in _CANNOT:
        raise OSError(number, os.strerror(number), str(place))
    aside = new.with_name(f"{place.name}{REPLACED}")
    place.rename(aside)
    try:
        new.rename(place)
    except OSError:
        aside.rename(place)
        raise
    aside.rename(new)
    return False


def recover(scratch: Path, root: Path) -> list[Path]:
    """Put folders back into `root` that gave way to others when their process was killed; return those.

    Where the other one is in place already, nothing is put back. What was replaced stays in `scratch`, or in the folder
    in there that it was in, for its owner to remove.

    Raises:
        OSError: one cannot be put back.
    """
    found = []
    for aside in [*scratch.glob(f"*{REPLACED}"), *scratch.glob(f"*/*{REPLACED}")]:
        place = root / aside.name.removesuffix(REPLACED)
        if not place.exists():
            found.append(aside.rename(place))
    return found


def _number(result: int) -> int:
    return 0 if result == 0 else ctypes.get_errno()
