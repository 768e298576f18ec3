"""Every switch of the sandbox, with default, help and limits; command line, argv and /control all derive from here."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

THROTTLE_STYLES = ("http", "body", "message")
OUTAGE_STYLES = ("http-503", "dropped")


def _switch(
    default: Any,  # noqa: ANN401 - a dataclass field takes the type of its annotation, whatever it is
    explanation: str,
    *,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    fixed: bool = False,
) -> Any:  # noqa: ANN401
    """Declare one switch; `fixed` ones cannot change while the sandbox runs."""
    metadata = {"help": explanation, "most": most, "choices": choices, "fixed": fixed}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class SandboxOptions:
    """The switches of one sandbox; units stand in the names.

    Raises:
        ValueError: a value has the wrong type or is out of range; the message names the switch.
    """

    port: int = _switch(0, "port on 127.0.0.1; 0 takes any free one", most=65_535, fixed=True)
    seed: int = _switch(1, "another seed gives other people and other faults")
    limit_per_s: int = _switch(20, "calls one App may make in any one-second span; 0 is no limit")
    latency_ms: float = _switch(0.0, "time an answer takes")
    latency_jitter_ms: float = _switch(0.0, "latency varies evenly by up to this much either way")
    fault_rate: float = _switch(0.0, "share of calls (0 to 1) that meet a random transient fault", most=1)
    revoke_after: int = _switch(0, "credentials are refused after this many calls; 0 is never")
    outage_from: int = _switch(0, "number of the call at which an outage begins; 0 is never")
    outage_calls: int = _switch(0, "calls that an outage lasts; 0 is for ever")
    outage_s: float = _switch(0.0, "seconds that an outage lasts from its first call, instead of outage_calls")
    outage_style: str = _switch("http-503", "how an outage looks", choices=OUTAGE_STYLES)
    throttle_style: str = _switch("http", "how a call over the limit is refused", choices=THROTTLE_STYLES)
    retry_after_s: int = _switch(0, "seconds named in the Retry-After header of a 429; 0 sends no header")
    app_id: str = _switch("sandbox-app", "App ids that begin with this are valid, each with its own limit")
    api_key: str = _switch("sandbox-key", "the valid API key")
    api_password: str = _switch("sandbox-password", "the valid API password")
    exit_with_stdin: bool = _switch(False, "end when standard input ends, as with a parent process", fixed=True)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check(field, getattr(self, field.name))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the switches from one JSON object; absent ones keep their defaults.

        Raises:
            ValueError: not a JSON object, an unknown switch, or a value that does not fit.
        """
        return cls(**_known(json_object(text)))

    def to_json(self) -> str:
        """Write all switches as one JSON object."""
        return json.dumps(dataclasses.asdict(self))

    def changed(self, switches: Mapping[str, object]) -> Self:
        """Return a copy with some switches changed.

        Raises:
            ValueError: an unknown switch, one fixed at the start, or a value that does not fit.
        """
        for field in dataclasses.fields(self):
            if field.name in switches and field.metadata["fixed"]:
                raise ValueError(f"{field.name} is fixed when the sandbox starts.")
        return dataclasses.replace(self, **_known(switches))


def json_object(text: str | bytes) -> dict[str, object]:
    """Parse a JSON object.

    Raises:
        ValueError: the text is anything else.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ValueError("Switches are given as one JSON object; this is not JSON.") from exc
    if not isinstance(value, dict):
        raise ValueError("Switches are given as one JSON object.")  # noqa: TRY004 - the text is wrong, not its type
    return value


def _known(switches: Mapping[str, object]) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(SandboxOptions)]
    for name in switches:
        if name not in names:
            raise ValueError(f"{name!r} is not a switch; there are {', '.join(names)}.")
    return dict(switches)


def _check(field: "dataclasses.Field[Any]", value: object) -> None:
    whole_for_float = field.type is float and type(value) is int
    if type(value) is not field.type and not whole_for_float:
        raise ValueError(f"{field.name} must be {_NOUNS[field.type]}, not {value!r}.")
    match value:
        case bool():
            return
        case str():
            _check_text(field, value)
        case int() | float():
            _check_number(field, value)


def _check_text(field: "dataclasses.Field[Any]", value: str) -> None:
    choices = field.metadata["choices"]
    if choices and value not in choices:
        raise ValueError(f"{field.name} must be one of {', '.join(choices)}, not {value!r}.")
    if not value:
        raise ValueError(f"{field.name} must not be empty.")


def _check_number(field: "dataclasses.Field[Any]", value: float) -> None:
    most = field.metadata["most"]
    if not 0 <= value < float("inf"):
        raise ValueError(f"{field.name} must be 0 or more, not {value}.")
    if most is not None and value > most:
        raise ValueError(f"{field.name} must be at most {most}, not {value}.")


_NOUNS: dict[Any, str] = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
