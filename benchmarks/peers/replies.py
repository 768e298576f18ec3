"""Write N normal replies, one a line, for the makers of tables.

python benchmarks/peers/replies.py N FILE
"""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.sandbox.people import lead_details
from pipeline.sandbox.replies import success

if __name__ == "__main__":
    with Path(sys.argv[2]).open("wb") as file:
        file.writelines(
            success(lead_details(f"person{n}@example.com", 1)).body + b"\n" for n in range(int(sys.argv[1]))
        )
