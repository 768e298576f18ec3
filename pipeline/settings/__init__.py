"""The settings of a job: what there are, `definitions`, and where they come from, `layers`."""

from pipeline.settings.definitions import LOOPBACK_HOSTS, OUTPUT_SETTINGS, Settings
from pipeline.settings.layers import CREDENTIAL_VARIABLES, ENV_PREFIX, OPTIONS, SECRETS

__all__ = ["CREDENTIAL_VARIABLES", "ENV_PREFIX", "LOOPBACK_HOSTS", "OPTIONS", "OUTPUT_SETTINGS", "SECRETS", "Settings"]
