"""Warnings of what must not be overlooked."""

from __future__ import annotations

NOTICE = {"is_notice": True}
"""The `extra` of a log record that is shown even where warnings are not wanted, and reported as part of the ending."""
