"""What the stacks of a project call what they make, as the policies of roles name it."""

from dataclasses import dataclass

__all__ = ["DELIVERY_PATH", "Account", "StackNames"]

DELIVERY_PATH = "/delivery/"
"""The path of the delivery's own roles and policies, which no right of theirs reaches."""

_PULL_REQUESTS = "pr"
"""What the suffix of a pull request's instance begins with, `pr42`."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """The account and the region that all is in."""

    partition: str
    account_id: str
    region: str


@dataclass(frozen=True, kw_only=True)
class StackNames:
    """The names in a project's stack of an environment, or in all of pull requests' `instances` of it.

    Physical names begin with the project and the stack, by `pulumi:autonaming` of the projects' Pulumi.yaml. An
    instance's begin with its environment's, so whoever may change an environment may change its instances.
    """

    account: Account
    project: str
    environment: str
    instances: bool = False

    @property
    def stack(self) -> str:
        """The pattern of the stack's own name."""
        return f"{self.environment}-{_PULL_REQUESTS}*" if self.instances else self.environment

    @property
    def made(self) -> str:
        """The pattern of the name of whatever the stack makes."""
        return f"{self.project}-{self.stack}-*"

    @property
    def boundary(self) -> str:
        """The name of the policy that bounds every role which the stack makes."""
        kind = "-instances" if self.instances else "-replication" if self.project == "replication" else ""
        return f"workload-{self.environment}{kind}"

    @property
    def boundary_arn(self) -> str:
        """The ARN of that policy."""
        return f"{self._iam}:policy{DELIVERY_PATH}{self.boundary}"

    @property
    def tags(self) -> dict[str, str]:
        """The tags of whatever the stack makes, by their keys; values are patterns."""
        suffix = {"Suffix": f"{_PULL_REQUESTS}*"} if self.instances else {}
        return {"Project": self.project, "Environment": self.environment, **suffix}

    def arn(self, pattern: str) -> str:
        """Return an ARN; the pattern holds what follows the partition, such as `sqs:{region}:{account}:{made}`."""
        filled = pattern.format(
            region=self.account.region,
            account=self.account.account_id,
            made=self.made,
            named=f"{self.project}-{self.stack}",
        )
        return f"arn:{self.account.partition}:{filled}"

    @property
    def _iam(self) -> str:
        return f"arn:{self.account.partition}:iam::{self.account.account_id}"
