"""The environments the pipeline is deployed to."""

from enum import StrEnum

__all__ = ["Environment"]


class Environment(StrEnum):
    """An environment, named as its stacks are."""

    DEV = "dev"
    STAGING = "staging"
    PROD = "prod"
