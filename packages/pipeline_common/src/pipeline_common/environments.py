"""Environments by their names, and the instances of one that live side by side in an account."""

import re
from dataclasses import dataclass
from typing import Self

__all__ = ["NAME", "SUFFIX", "Environment"]

NAME = r"[a-z][a-z0-9]{0,11}"
"""The pattern of an environment's name."""

SUFFIX = r"[a-z0-9]{1,12}"
"""The pattern of an instance's suffix. Neither has a hyphen, so that a stack's name is read in one way."""


@dataclass(frozen=True, order=True)
class Environment:
    """An environment, or with a suffix an instance of it; as text what its stacks are named, `dev` or `dev-pr5400`.

    An environment exists where a project has a `Pulumi.<name>.yaml`. An instance has its environment's configuration.
    Raises ValueError, with a sentence, for what can't be a name or a suffix.

    >>> Environment.parse("dev-pr5400")
    Environment(name='dev', suffix='pr5400')
    >>> str(Environment.parse("prod-pr5400").beside("dev"))
    'dev-pr5400'
    """

    name: str
    suffix: str = ""
    """Empty for the environment itself."""

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME, self.name):
            raise ValueError(
                f"{self.name!r} is no environment's name: write up to 12 lower-case letters and digits, a letter first."
            )
        if self.suffix and not re.fullmatch(SUFFIX, self.suffix):
            raise ValueError(
                f"{self.suffix!r} is no suffix of an instance: write up to 12 lower-case letters and digits."
            )

    @classmethod
    def parse(cls, stack: str) -> Self:
        """Return the environment or the instance whose stacks have this name; ValueError where none could."""
        name, hyphen, suffix = stack.partition("-")
        if hyphen and not suffix:
            raise ValueError(f"{stack!r} ends before its suffix: write {name}, or a suffix after the hyphen.")
        return cls(name, suffix)

    def __str__(self) -> str:
        return f"{self.name}-{self.suffix}" if self.suffix else self.name

    @property
    def is_pull_requests(self) -> bool:
        """Whether this is a pull request's instance, `dev-pr42`."""
        return re.fullmatch(r"pr[0-9]+", self.suffix) is not None

    def beside(self, name: str) -> Self:
        """Return the environment of that name in the same instance, as the target of a replication is."""
        return type(self)(name, self.suffix)
