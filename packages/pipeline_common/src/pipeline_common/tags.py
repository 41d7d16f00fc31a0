"""The tags that every resource carries."""

from collections.abc import Mapping

from pipeline_common.environments import Environment

__all__ = ["MANAGED_BY", "resource_tags"]

MANAGED_BY = "Pulumi"


def resource_tags(project: str, environment: Environment, name: str) -> dict[str, str]:
    """Return a resource's own tags: Environment, an instance's Suffix, Project, ManagedBy, and Name.

    The name is `<project>-<environment>-<name>`, or of an instance `<project>-<environment>-<suffix>-<name>`.
    """
    return {
        "Environment": environment.name,
        **({"Suffix": environment.suffix} if environment.suffix else {}),
        "Project": project,
        "ManagedBy": MANAGED_BY,
        "Name": f"{project}-{environment}-{name}",
    }


DEFAULT_TAG_KEYS: Mapping[str, str] = {
    "repository": "Repository",
    "author": "Author",
    "prNumber": "PRNumber",
    "team": "Team",
    "createdAt": "CreatedAt",
}
"""The provider's default tags, by the key of `tags:` in a stack's configuration that gives each its value."""
