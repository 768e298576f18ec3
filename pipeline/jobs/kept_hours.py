"""How long the answers of `enrich` outlive the file in which rows failed."""

from __future__ import annotations

KEPT_H = 24
"""Hours from the first writing of the file; within them, only what failed is asked for again."""
