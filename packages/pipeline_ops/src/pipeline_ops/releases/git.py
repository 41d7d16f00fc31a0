"""Git, as far as releases need it."""

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline_ops.errors import OperatorError

__all__ = ["Git"]

_ELSEWHERE = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX"})
"""What a hook's environment names another repository, or another index, by."""


@dataclass(frozen=True)
class Git:
    """Runs git in a repository's folder. Paths are that folder's, also where it is within a larger repository."""

    repository: Path

    def __call__(self, *arguments: str, told: str = "") -> str:
        """Return what git prints, without the white space around it, when it is told that on its standard input.

        Raises OperatorError with what it says.
        """
        done = self._run(arguments, told)
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())
            raise OperatorError(f"`git {arguments[0]}` failed in {self.repository}: {said}")
        return done.stdout.strip()

    def succeeds(self, *arguments: str) -> bool:
        """Tell whether git ends well: how it answers a question, and what it can't answer it does not know."""
        return not self._run(arguments).returncode

    def paths(self, *arguments: str) -> list[str]:
        """Return the paths that git prints, told by `-z` to end each with a NUL."""
        return [path for path in self(*arguments, "-z").split("\0") if path]

    def knows(self, path: str) -> bool:
        """Tell whether the current commit has the file; not so where there is no git, or no repository."""
        return self.succeeds("cat-file", "-e", f"HEAD:./{path}")

    def changed(self, paths: Iterable[str]) -> bool:
        """Tell whether something there is otherwise than in the current commit, untracked files too."""
        return bool(self("status", "--porcelain", "--untracked-files=all", "--", *paths))

    def _run(self, arguments: tuple[str, ...], told: str = "") -> "subprocess.CompletedProcess[str]":
        environment = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
        # By itself `status` writes the index anew, under a lock that would hinder somebody's commit.
        environment |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
        command = ["git", "--literal-pathspecs", "-c", "core.quotePath=off", *arguments]
        try:
            return subprocess.run(  # noqa: S603 - no shell
                command,
                cwd=self.repository,
                env=environment,
                input=told,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
        except FileNotFoundError:
            return subprocess.CompletedProcess(command, returncode=127, stderr="there is no git on PATH.")
