"""Every switch of the sandbox with its default, help and limits; the command line and /control derive from these."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

LAST_EPOCH = 10_000
SHAPES = ("text", "native", "mixed", "drifting")
THROTTLE_STYLES = ("http", "body", "message")
OUTAGE_STYLES = ("http-503", "dropped")


def _switch(
    default: Any,  # noqa: ANN401 - the type is that of the annotation
    description: str,
    *,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    fixed: bool = False,
) -> Any:  # noqa: ANN401
    """Declare one switch; those that are `fixed` cannot be changed while the sandbox runs."""
    metadata = {"help": description, "maximum": maximum, "choices": choices, "fixed": fixed}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class SandboxOptions:
    """The switches of one sandbox; the names include the units.

    Raises:
        ValueError: a value has the wrong type or is out of range; the message names the switch.
    """

    port: int = _switch(0, "port on 127.0.0.1; 0 for any free port", maximum=65_535, fixed=True)
    seed: int = _switch(1, "seed for the invented people and the random faults")
    shape: str = _switch(
        "mixed",
        "how leads are written: all strings, integers as numbers, a mixture, or a change midway",
        choices=SHAPES,
    )
    drift_after: int = _switch(100, "number of calls after which shape drifting has numbers and an unknown key")
    epoch: int = _switch(
        0, "how far people have aged: from each epoch to the next some of them change", maximum=LAST_EPOCH
    )
    change_share: float = _switch(
        0.02,
        "share of people (0 to 1) who change from one epoch to the next; as many again are only written differently",
        maximum=1,
    )
    limit_per_s: int = _switch(20, "calls each App may make in any one-second window; 0 for no limit")
    latency_ms: float = _switch(0.0, "time that each reply takes")
    latency_jitter_ms: float = _switch(0.0, "maximum random deviation from the latency, in both directions")
    fault_rate: float = _switch(0.0, "share of calls (0 to 1) that fail with a random transient fault", maximum=1)
    revoke_after: int = _switch(0, "number of calls after which credentials are refused; 0 for never")
    outage_from: int = _switch(0, "number of the call at which an outage begins; 0 for never")
    outage_calls: int = _switch(0, "number of calls that the outage lasts; 0 for endless")
    outage_s: float = _switch(0.0, "seconds from its first call that the outage lasts, instead of outage_calls")
    outage_style: str = _switch("http-503", "what calls get during an outage", choices=OUTAGE_STYLES)
    throttle_style: str = _switch("http", "how calls over the limit are refused", choices=THROTTLE_STYLES)
    retry_after_s: int = _switch(0, "seconds in the Retry-After header of HTTP 429, and 503 in an outage; 0 for none")
    app_id: str = _switch("sandbox-app", "prefix of the valid App ids, each of which has its own limit")
    api_key: str = _switch("sandbox-key", "the valid API key")
    api_password: str = _switch("sandbox-password", "the valid API password")
    exit_with_stdin: bool = _switch(
        False, "exit when standard input is closed, as by the end of a parent process", fixed=True
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check(field, getattr(self, field.name))

    @classmethod
    def from_json(cls, content: str) -> Self:
        """Parse switches from a JSON object; those that are absent have their defaults.

        Raises:
            ValueError: the string is not a JSON object, a switch is unknown, or a value is invalid.
        """
        return cls(**_known(json_object(content)))

    def to_json(self) -> str:
        """All switches as a JSON object."""
        return json.dumps(dataclasses.asdict(self))

    def changed(self, switches: Mapping[str, object]) -> Self:
        """A copy with some switches changed.

        Raises:
            ValueError: a switch is unknown or fixed at startup, or a value is invalid.
        """
        for field in dataclasses.fields(self):
            if field.name in switches and field.metadata["fixed"]:
                raise ValueError(f"{field.name} cannot be changed while the sandbox is running.")
        return dataclasses.replace(self, **_known(switches))


def json_object(content: str | bytes) -> dict[str, object]:
    """Parse a JSON object.

    Raises:
        ValueError: it is anything else.
    """
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise ValueError("Switches must be given as a JSON object, but this is not JSON.") from exc
    if not isinstance(value, dict):
        raise ValueError("Switches must be given as a JSON object.")  # noqa: TRY004 - the content is wrong, not the type
    return value


def _known(switches: Mapping[str, object]) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(SandboxOptions)]
    for name in switches:
        if name not in names:
            raise ValueError(f"{name!r} is not a switch; choose from {', '.join(names)}.")
    return dict(switches)


def _check(field: "dataclasses.Field[Any]", value: object) -> None:
    int_for_float = field.type is float and type(value) is int
    if type(value) is not field.type and not int_for_float:
        raise ValueError(f"{field.name} must be {_TYPE_NAMES[field.type]}, not {value!r}.")
    match value:
        case bool():
            return
        case str():
            _check_string(field, value)
        case int() | float():
            _check_number(field, value)


def _check_string(field: "dataclasses.Field[Any]", value: str) -> None:
    choices = field.metadata["choices"]
    if choices and value not in choices:
        raise ValueError(f"{field.name} must be one of {', '.join(choices)}, not {value!r}.")
    if not value:
        raise ValueError(f"{field.name} must not be empty.")


def _check_number(field: "dataclasses.Field[Any]", value: float) -> None:
    maximum = field.metadata["maximum"]
    if not 0 <= value < float("inf"):
        raise ValueError(f"{field.name} must be 0 or more, not {value}.")
    if maximum is not None and value > maximum:
        raise ValueError(f"{field.name} must be at most {maximum}, not {value}.")


_TYPE_NAMES: dict[Any, str] = {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}
