"""The version, where every module can reach it without the package's face."""

__version__ = "0.1.0"
