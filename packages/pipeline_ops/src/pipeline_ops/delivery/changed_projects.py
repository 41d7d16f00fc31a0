"""The projects whose deploy a branch's commits change."""

from pipeline_ops.projects import Projects
from pipeline_ops.releases.closure import Closure
from pipeline_ops.releases.git import Git

__all__ = ["changed_projects"]


def changed_projects(projects: Projects, since: str) -> frozenset[str]:
    """Return the projects in whose closure something differs from where this branch left the commit `since`.

    Raises OperatorError where git does not know the commit.
    """
    git = Git(projects.repository)
    base = git("merge-base", "--end-of-options", since, "HEAD")
    return frozenset(
        name
        for name in projects.names
        if git("diff", "--name-only", base, "HEAD", "--", *Closure(projects.repository, name).paths)
    )
