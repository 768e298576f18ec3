"""The exact messages about malformed replies; other tests assert only their codes."""

import pytest

from pipeline.errors import MalformedReply
from pipeline.replies.read import ReplyReader


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the reply is empty"),
        (b'{"status":"Succ', "the reply is truncated"),
        (b"<html></html>", "the reply is not JSON"),
        (b"[1]", "the reply is JSON but has no status"),
        (b"[" * 110 + b"]" * 110, "the reply is nested too deeply to be from the API"),
        (b'{"status":"Success"}', "the API reports success but returned no lead"),
    ],
)
def test_a_malformed_reply_is_described(body: bytes, message: str) -> None:
    """The message says what is wrong with the reply."""
    with pytest.raises(MalformedReply) as caught:
        ReplyReader().read(body)
    assert str(caught.value) == message
