"""The place that a command goes to, and the spelling of a suggested command that goes there too."""

import shlex
from dataclasses import dataclass, replace

__all__ = ["AWS", "LOCAL_STARTS", "LOCAL_STOPS", "Where"]

LOCAL_STARTS = "nox -s local -- --detach"
"""The command that brings up the checkout's own local cloud, with the whole system in it."""

LOCAL_STOPS = "nox -s local -- --stop"
"""The command that ends it."""

_RUN_A_PROVIDER = frozenset({"deploy", "preview", "refresh", "destroy"})


@dataclass(frozen=True)
class Where:
    """The place that the operator asked for: AWS, unless `local` or an `endpoint` says otherwise.

    Every sentence that suggests a command has it from here: one about a local cloud must never lead to AWS.
    """

    local: bool = False
    endpoint: str | None = None
    fleeting: bool = False
    """Whether the local cloud ends with the command, since none is kept up."""
    provider: str | None = None
    """The `aws` provider that Pulumi is to use on a local cloud; None stands for the default."""
    suffix: str | None = None
    """That of the environments' instance, empty for the environments themselves; None where it was not said."""

    @property
    def is_local(self) -> bool:
        """Whether AWS is left alone."""
        return self.local or self.endpoint is not None

    @property
    def options(self) -> tuple[str, ...]:
        """The options by which a command goes to the same place."""
        suffix = () if self.suffix is None else ("--suffix", self.suffix)
        if self.endpoint is not None:
            return ("--endpoint", self.endpoint, *suffix)
        return ("--local", *suffix) if self.local else suffix

    def within(self, suffix: str) -> "Where":
        """Return the same place, in the instance of that suffix."""
        return replace(self, suffix=suffix) if suffix else self

    def command(self, name: str, *arguments: str) -> str:
        """Return the shell command by which an operator's command goes to the same place."""
        chosen = ("--provider", self.provider) if self.provider and name in _RUN_A_PROVIDER else ()
        command = shlex.join(("nox", "-s", name, "--", *arguments, *self.options, *chosen))
        return f"{LOCAL_STARTS} && {command}" if self.fleeting else command


AWS = Where()
"""The place of a command without an option."""
