"""The exact messages about switches of the sandbox; other tests assert only the name of the switch."""

from typing import Any

import pytest

from pipeline.sandbox.options import SandboxOptions


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"limit_per_s": -1}, "limit_per_s must be 0 or more, not -1."),
        ({"limit_per_s": 1.5}, "limit_per_s must be a whole number, not 1.5."),
        ({"fault_rate": 1.5}, "fault_rate must be at most 1, not 1.5."),
        ({"epoch": 10_001}, "epoch must be at most 10000, not 10001."),
        ({"fault_rate": "half"}, "fault_rate must be a number, not 'half'."),
        ({"outage_style": "loud"}, "outage_style must be one of http-503, dropped, not 'loud'."),
        ({"app_id": 7}, "app_id must be a string, not 7."),
        ({"app_id": ""}, "app_id must not be empty."),
        ({"exit_with_stdin": 1}, "exit_with_stdin must be true or false, not 1."),
    ],
)
def test_an_invalid_value_is_described(switches: dict[str, Any], message: str) -> None:
    """The message names the switch, the values it accepts and the value given."""
    with pytest.raises(ValueError, match=r"\.$") as caught:
        SandboxOptions(**switches)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ('{"limit": 3}', "'limit' is not a switch; choose from port, seed, shape, drift_after,"),
        ("[]", "Switches must be given as a JSON object."),
        ("{", "Switches must be given as a JSON object, but this is not JSON."),
    ],
)
def test_invalid_json_is_described(switches: str, message: str) -> None:
    """The message says what to pass instead."""
    with pytest.raises(ValueError, match=r"\.$") as caught:
        SandboxOptions.from_json(switches)
    assert str(caught.value).startswith(message)


def test_a_switch_fixed_at_startup_is_named() -> None:
    """The port cannot be changed later."""
    with pytest.raises(ValueError, match=r"^port cannot be changed while the sandbox is running\.$"):
        SandboxOptions().changed({"port": 1})
