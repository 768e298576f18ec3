"""What a process that is all ours sets up, and a guest in somebody else's Python must leave alone.

The commands and the workers are such processes; `import pipeline` in a notebook is not.
"""

from __future__ import annotations

import gc
import os
import sys

RARELY = (50_000, 20, 100)
"""New objects before the collector looks at the youngest, and how often that happens before it looks at older ones."""
_ALLOCATOR = "jemalloc" if sys.platform == "linux" and os.uname().machine == "x86_64" else "system"
"""Arrow's packages have jemalloc there, and not for ARM; where it is missing Arrow says so and takes its own choice."""


class _NoPandas:
    """While it comes first among the finders, there is no pandas."""

    def find_spec(self, fullname: str, /, *_: object) -> None:
        """Find every module but one elsewhere."""
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


_NO_PANDAS = _NoPandas()


def settle() -> None:
    """Tune the interpreter and Arrow for one large job; comes before Arrow is loaded, and costs nothing.

    Libraries and replies are hundreds of thousands of objects that reference counting alone takes care of. The
    allocator that Arrow would take gives memory back and asks for it anew with each batch of tables, a tenth of a run;
    of those that keep it, the system's has it fall apart into pieces too small for the next batch.
    """
    gc.set_threshold(*RARELY)
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", _ALLOCATOR)


def load_arrow() -> None:
    """Load Arrow without pandas, which tables do not need on their way to files.

    Arrow loads pandas, a quarter of a second and 30 MiB, when it makes its first array of a list, just to see that the
    list is none of its objects. Here it is told once that there is no pandas. Who needs it, as time zones do, can still
    import it, and `to_pandas` finds it too. But nanoseconds that are no whole microseconds have no Python value then.
    """
    import pyarrow as pa  # noqa: PLC0415 - after `settle`, and only for commands that make tables

    if "pandas" not in sys.modules:
        sys.meta_path.insert(0, _NO_PANDAS)
        try:
            pa.array([""])
        finally:
            sys.meta_path.remove(_NO_PANDAS)


def leave() -> None:
    """Spare the interpreter looking through everything once more before it ends."""
    gc.freeze()
