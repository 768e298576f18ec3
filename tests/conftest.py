"""What every test stands on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

# The first example of a property that makes frames waits for pandas; that says nothing about the property.
settings.register_profile("here", deadline=None)
settings.load_profile("here")


@pytest.fixture(autouse=True, scope="session")
def _no_state_of_the_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the tests, and the processes they start, a state folder and an environment without settings of ours."""
    kept = dict(os.environ)
    for name in kept:
        if name.startswith(("KARTRA_", "LEAD_EXPORT_")):
            del os.environ[name]
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    yield
    os.environ.clear()
    os.environ.update(kept)
