"""Every benchmark one after the other, in sizes that take about a quarter of an hour together.

    python benchmarks/all.py

Ends with the number of those that failed.
"""

from __future__ import annotations

import subprocess
import sys
import time

from common import HERE, PYTHON

SCRIPTS: tuple[tuple[str, ...], ...] = (
    ("path.py",),
    ("startup.py",),
    ("flatten.py",),
    ("shapes.py", "--runs", "1"),
    ("throughput.py", "--runs", "3"),
    ("throughput.py", "--runs", "3", "--shape", "mixed"),
    ("rebuild.py", "--leads", "100000"),
    ("rebuild.py", "--leads", "100000", "--shape", "mixed"),
    ("many_nights.py", "--nights", "12", "--every", "5"),
    ("memory.py",),
    ("resume.py", "--answers", "100000"),
    ("pace.py",),
    ("deadline.py", "--addresses", "20000", "--seconds", "10", "--window", "90"),
    ("carry.py", "--answers", "100000"),
    ("nights.py", "--addresses", "2000", "--nights", "20"),
    ("kills.py", "--kills", "12"),
    ("changes.py", "--addresses", "50000", "--runs", "1"),
    ("lanes.py", "--kills", "6"),
)


def main() -> int:
    """Run all; return how many failed."""
    failed = 0
    for script, *options in SCRIPTS:
        print(f"== {' '.join((script, *options))}\n", flush=True)
        began = time.monotonic()
        failed += subprocess.run([PYTHON, str(HERE / script), *options], check=False).returncode != 0
        print(f"({time.monotonic() - began:.0f} s)\n", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
