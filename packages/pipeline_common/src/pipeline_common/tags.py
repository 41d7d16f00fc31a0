"""The tags that every resource carries."""

from collections.abc import Mapping

from pipeline_common.environments import Environment

__all__ = ["MANAGED_BY", "resource_tags"]

MANAGED_BY = "Pulumi"


def resource_tags(project: str, environment: Environment, name: str) -> dict[str, str]:
    """Return a resource's own tags: Environment, Project, ManagedBy, and Name as `<project>-<environment>-<name>`."""
    return {
        "Environment": str(environment),
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
