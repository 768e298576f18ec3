"""A process of our own, and one that we are guests in."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

OURS = """
import gc, sys
from pipeline import process
finders = list(sys.meta_path)
process.settle()
process.load_arrow()
import pyarrow as pa
"""


def run(program: str, **environment: str) -> str:
    """What a program prints, in a process of its own that must end well."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ARROW_")} | environment
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_arrow_makes_arrays_without_pandas() -> None:
    """Of lists, of numpy's arrays and of single values; nothing of pandas is loaded for that."""
    made = "import numpy as np; pa.array(['x', None]), pa.array(np.arange(3)), pa.scalar(1)\n"
    assert run(f"{OURS}{made}print([name for name in sys.modules if name.startswith('pandas')])") == "[]"


def test_pandas_is_there_for_whoever_asks_for_it() -> None:
    """Nobody stands in the way of a later import, and frames over Arrow columns work."""
    asks = """
assert list(sys.meta_path) == finders
import pandas as pd
from pipeline.tables.flatten import flatten
reply = b'{"status":"Success","lead_details":{"id":"7","email":"a@example.com"}}'
print(flatten([reply], timezone="EST").leads["id"].tolist(), pd.Series([1]).sum())
"""
    assert run(OURS + asks) == "['7'] 1"


def test_pandas_that_is_loaded_already_stays_known_to_arrow() -> None:
    """Then there is nothing to gain, and `to_pandas` goes on working."""
    assert run(f"import pandas\n{OURS}print(pa.table({{'a': [1]}}).to_pandas().shape)") == "(1, 1)"


def test_memory_comes_from_an_allocator_that_keeps_it_unless_the_user_says_otherwise() -> None:
    """The variable is Arrow's own; one that Arrow does not have would be said on standard error."""
    name = f"{OURS}print(pa.default_memory_pool().backend_name)"
    has_jemalloc = sys.platform == "linux" and platform.machine() == "x86_64"
    assert run(name) == ("jemalloc" if has_jemalloc else "system")
    assert run(name, ARROW_DEFAULT_MEMORY_POOL="mimalloc") == "mimalloc"


def test_a_guest_leaves_everything_as_it_is() -> None:
    """Whoever imports the package has the collector, the allocator and Arrow's frames as they were."""
    guest = """
import gc, os
before = gc.get_threshold(), gc.get_freeze_count(), dict(os.environ)
import pipeline
frames = pipeline.flatten([b'{"status":"Success","lead_details":{"id":"7"}}'])
import pyarrow as pa
assert (gc.get_threshold(), gc.get_freeze_count(), dict(os.environ)) == before
print(pa.table({'a': [1]}).to_pandas().shape)
"""
    assert run(guest) == "(1, 1)"
