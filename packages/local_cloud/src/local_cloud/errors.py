"""Errors of the local cloud itself."""

__all__ = ["LocalCloudError"]


class LocalCloudError(Exception):
    """The local cloud can't be installed, started or reached; the message says why and what helps."""
