"""The version, where the build finds it too."""

__all__ = ["__version__"]

__version__ = "0.2.0"
