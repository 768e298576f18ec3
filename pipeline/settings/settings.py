"""The settings of a job, loaded from the layers that `layers` reads; the defaults in `definitions` are the weakest."""

from __future__ import annotations

import hashlib
from collections import ChainMap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import ValidationError

from pipeline.errors import UsageError, WrongArgument
from pipeline.settings.definitions import OUTPUT_SETTINGS, Fields
from pipeline.settings.layers import (
    CREDENTIAL_VARIABLES,
    SECRETS,
    explain,
    origin_of,
    read_layers,
    warn_of_unknown_variables,
)

if TYPE_CHECKING:
    import os


class Settings(Fields):
    """The settings of a job: immutable, validated when created, and safe to print (credentials show as asterisks)."""

    @classmethod
    def load(
        cls,
        options: Mapping[str, object] | None = None,
        *,
        config: str | os.PathLike[str] | None = None,
        environ: Mapping[str, str] | None = None,
        base: Mapping[str, object] | None = None,
    ) -> Self:
        """Combine all layers; `environ` defaults to the process's environment, and `base` is weaker than all of them.

        Variables that look like settings and are none are named in a warning.

        Raises:
            UsageError: a key is unknown or a value is wrong; the message says where it is and what is expected.
        """
        return cls.load_with_origins(options, config=config, environ=environ, base=base)[0]

    @classmethod
    def load_with_origins(
        cls,
        options: Mapping[str, object] | None = None,
        *,
        config: str | os.PathLike[str] | None = None,
        environ: Mapping[str, str] | None = None,
        base: Mapping[str, object] | None = None,
    ) -> tuple[Self, dict[str, str]]:
        """The same, and where each setting comes from: `option`, `environment`, the path of a file, or `default`.

        Raises:
            UsageError: as from `load`.
        """
        if options is not None and not isinstance(options, Mapping):
            raise WrongArgument.of("options", "a dictionary of settings (a file is config=…)", options)
        warn_of_unknown_variables(cls.model_fields, environ)
        file = Path(config) if config else None
        return cls.of_layers({**read_layers(cls.model_fields, options, file, environ), "base": base or {}})

    @classmethod
    def of_layers(cls, layers: Mapping[str, Mapping[str, object]]) -> tuple[Self, dict[str, str]]:
        """Combine layers, strongest first, by where they come from; return that of each setting as well.

        Raises:
            UsageError: a value is wrong.
        """
        try:
            settings = cls.model_validate(dict(ChainMap(*(dict(layer) for layer in layers.values()))))
        except ValidationError as error:
            raise UsageError(explain(error, layers)) from None
        return settings, {key: origin_of(key, layers) for key in cls.model_fields}

    def require_credentials(self) -> None:
        """Check that all credentials are set.

        Raises:
            UsageError: some are not; the message names their variables.
        """
        missing = [
            variable
            for key, variable in CREDENTIAL_VARIABLES.items()
            if not getattr(self, key).get_secret_value().strip()
        ]
        if missing:
            raise UsageError(f"Credentials are missing: set {', '.join(missing)} in the environment.")

    def app_hash(self) -> str:
        """A hash of the App id for files and file names: it tells Apps apart without revealing their IDs."""
        app_id = self.app_id.get_secret_value().encode(errors="surrogateescape")
        return hashlib.sha256(app_id).hexdigest()[:16]

    @property
    def replies_go(self) -> Literal["publish", "private", "none"]:
        """Where the raw replies of a run go: the stricter of `replies` and `keep_replies` holds."""
        return self.replies or "publish" if self.keep_replies else "none"

    def output_settings(self) -> dict[str, Any]:
        """The `OUTPUT_SETTINGS`, as plain values."""
        return self.model_dump(mode="json", include=set(OUTPUT_SETTINGS))

    def public(self) -> dict[str, Any]:
        """All settings except the secrets, as plain values."""
        return self.model_dump(mode="json", exclude=set(SECRETS))
