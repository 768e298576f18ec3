"""What is said about the arguments of Python functions, word for word."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import pipeline
from pipeline.errors import WrongArgument

LIST = "answers or replies as bytes, or the frame of replies.parquet"


@pytest.mark.parametrize(
    ("function", "given", "sentence"),
    [
        (pipeline.flatten, ("{}",), f"replies: must be a list of {LIST}, not a str."),
        (pipeline.flatten, (["{}"],), "replies[0]: must be an answer, or a reply as bytes, not a str."),
        (pipeline.flatten, (None,), f"replies: must be a list of {LIST}, not None."),
        (pipeline.flatten, (pd.DataFrame(),), f"replies: the frame has no column `body`; give {LIST}."),
        (
            pipeline.flatten,
            (pd.DataFrame({"body": [1]}),),
            f"replies: its columns are not those of replies.parquet; give {LIST}.",
        ),
        (pipeline.status, (1,), "out: must be a path, as a string or a pathlib.Path, not an int."),
        (pipeline.status, ("",), "out: must not be an empty path or contain a null character."),
        (pipeline.export, ({}, "a.csv", "out"), "settings: must be a pipeline.Settings, not a dict."),
        (
            pipeline.export,
            (pipeline.Settings, "a.csv", "out"),
            "settings: must be a pipeline.Settings, not the class Settings.",
        ),
        (pipeline.export, (pipeline.Settings(), 7, "out"), "lists: must be a path or a list of paths, not an int."),
        (pipeline.export, (pipeline.Settings(), [], "out"), "lists: must name at least one list."),
        (
            pipeline.Settings.load,
            ("a.toml",),
            "options: must be a dictionary of settings (a file is config=…), not a str.",
        ),
    ],
)
def test_what_is_wrong_with_an_argument(function: Any, given: tuple[Any, ...], sentence: str) -> None:
    """The argument, what it must be, and the type of what it is."""
    with pytest.raises(WrongArgument) as caught:
        function(*given)
    assert str(caught.value) == sentence


def test_what_is_wrong_with_a_time_zone() -> None:
    """With examples."""
    with pytest.raises(WrongArgument) as caught:
        pipeline.flatten([], timezone="Mars")
    assert str(caught.value) == "timezone: not a known time zone; use a name such as EST or America/New_York."
