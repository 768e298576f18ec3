"""The settings of a job: what there are (`definitions`), how they are loaded, and where they come from (`layers`)."""

from pipeline.settings.definitions import OUTPUT_SETTINGS
from pipeline.settings.layers import CREDENTIAL_VARIABLES, ENV_PREFIX, OPTIONS, SECRETS, option_of, variable_of
from pipeline.settings.settings import Settings
from pipeline.settings.urls import LOOPBACK_HOSTS

__all__ = [
    "CREDENTIAL_VARIABLES",
    "ENV_PREFIX",
    "LOOPBACK_HOSTS",
    "OPTIONS",
    "OUTPUT_SETTINGS",
    "SECRETS",
    "Settings",
    "option_of",
    "variable_of",
]
