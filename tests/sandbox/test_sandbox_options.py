import dataclasses
from typing import Any

import pytest

from pipeline.sandbox.options import SandboxOptions


def test_every_switch_explains_itself() -> None:
    """Help texts, from which command lines are made, are one line and not a sentence."""
    for field in dataclasses.fields(SandboxOptions):
        explanation = field.metadata["help"]
        assert explanation
        assert "\n" not in explanation
        assert not explanation.endswith(".")
        assert field.default is not dataclasses.MISSING


def test_switches_survive_the_way_through_json() -> None:
    """What a parent writes into argv is what its child reads."""
    options = SandboxOptions(limit_per_s=7, fault_rate=0.25, api_key="ключ", exit_with_stdin=True)
    assert SandboxOptions.from_json(options.to_json()) == options


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"limit_per_s": -1}, "limit_per_s must be 0 or more, not -1."),
        ({"limit_per_s": 1.5}, "limit_per_s must be a whole number, not 1.5."),
        ({"limit_per_s": True}, "limit_per_s must be a whole number, not True."),
        ({"fault_rate": 1.5}, "fault_rate must be at most 1, not 1.5."),
        ({"fault_rate": "half"}, "fault_rate must be a number, not 'half'."),
        ({"latency_ms": float("nan")}, "latency_ms must be 0 or more, not nan."),
        ({"latency_ms": float("inf")}, "latency_ms must be 0 or more, not inf."),
        ({"port": 65_536}, "port must be at most 65535, not 65536."),
        ({"outage_style": "loud"}, "outage_style must be one of http-503, dropped, not 'loud'."),
        ({"throttle_style": 429}, "throttle_style must be a text, not 429."),
        ({"app_id": ""}, "app_id must not be empty."),
        ({"exit_with_stdin": 1}, "exit_with_stdin must be true or false, not 1."),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(switches: dict[str, Any], message: str) -> None:
    """The sentence names the switch, what it takes and what it got."""
    with pytest.raises(ValueError, match="must") as caught:
        SandboxOptions(**switches)
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000])
def test_anything_but_a_json_object_is_refused(text: str) -> None:
    """Switches in argv are one JSON object."""
    with pytest.raises(ValueError, match="one JSON object"):
        SandboxOptions.from_json(text)


def test_an_unknown_switch_is_refused_and_the_known_ones_are_named() -> None:
    """A typing mistake does not pass in silence."""
    with pytest.raises(ValueError, match="'limit' is not a switch; there are port, seed, limit_per_s"):
        SandboxOptions.from_json('{"limit": 3}')


def test_changing_keeps_what_is_not_named() -> None:
    """A change touches only its own switches, and the original not at all."""
    options = SandboxOptions(seed=5)
    changed = options.changed({"limit_per_s": 3})
    assert (changed.seed, changed.limit_per_s, options.limit_per_s) == (5, 3, 20)


@pytest.mark.parametrize("name", ["port", "exit_with_stdin"])
def test_what_is_fixed_at_the_start_cannot_change(name: str) -> None:
    """The port and the tie to standard input are those of the process."""
    with pytest.raises(ValueError, match=f"{name} is fixed"):
        SandboxOptions().changed({name: 1})
