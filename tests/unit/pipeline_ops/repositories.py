"""Git repositories of a replication of one function, made by a test: their identity and dates are its own."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CONTRACTS", "IDENTITY", "POSTMAN", "MadeRepository"]

POSTMAN = "packages/postman/src/postman/__init__.py"
CONTRACTS = "packages/pipeline_common/src/pipeline_common/contracts.py"

_FILES = {
    "projects/replication/Pulumi.yaml": "name: replication",
    "projects/replication/Pulumi.prod.yaml": "config:\n  replication:targets: [dev]\n",
    "projects/replication/__main__.py": (
        "import pipeline_common.contracts\nfrom pipeline_common.infra import archives\n"
        "from replication_project.parts import post\nfunction_archive('postman')\n"
    ),
    "projects/replication/src/replication_project/__init__.py": "",
    "projects/replication/src/replication_project/parts.py": "from pipeline_common.stamps import STAMP\n",
    "packages/pipeline_common/src/pipeline_common/__init__.py": "",
    "packages/pipeline_common/src/pipeline_common/stamps.py": "",
    "packages/pipeline_common/src/pipeline_common/unused.py": "",
    "packages/pipeline_common/src/pipeline_common/infra/__init__.py": "",
    "packages/pipeline_common/src/pipeline_common/infra/archives.py": (
        "def f() -> None:\n    import pipeline_common.infra.lazy\n"
    ),
    "packages/pipeline_common/src/pipeline_common/infra/lazy.py": "",
    "packages/postman/pyproject.toml": '[project]\ndependencies = ["bag>=1", "boto3"]\n',
    "packages/postman/src/postman/__init__.py": "",
    "packages/bag/pyproject.toml": "[project]\n",
    "packages/bag/src/bag/__init__.py": "",
    CONTRACTS: (
        'class StorageOutputs:\n    PROJECT: ClassVar[str] = "storage"\n    dlq_url: str\n'
        'class ReplicationOutputs:\n    PROJECT: ClassVar[str] = "replication"\n    capture: str\n'
    ),
    "packages/other/src/other/__init__.py": "",
    "requirements/lambda.txt": "",
    "requirements/operators.txt": "",
    ".gitignore": "ignored/\n",
}

IDENTITY = {
    **{f"GIT_{who}_{what}": "tester@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    **{f"GIT_{who}_DATE": "2026-01-02T03:04:05Z" for who in ("AUTHOR", "COMMITTER")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}
"""What makes every commit the same one on any machine."""


@dataclass
class MadeRepository:
    """A repository with one project, `replication`, whose function's archive holds the packages `postman` and `bag`."""

    folder: Path

    def __post_init__(self) -> None:
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("replication: begin", **_FILES)

    def git(self, *arguments: str) -> str:
        others = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        command = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(
            command, env={**others, **IDENTITY}, check=True, capture_output=True, text=True
        ).stdout.strip()

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def commit(self, message: str, **files: str) -> str:
        """Write the files, commit all that has changed, and return the commit's hash."""
        for path, text in files.items():
            self.write(path, text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def tag(self, name: str) -> None:
        self.git("tag", "--annotate", name, "--message", name)

    def publish(self, origin: Path) -> None:
        """Push main to a remote of that folder, as the team has it."""
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(origin))
        self.git("remote", "add", "origin", str(origin))
        self.git("push", "--quiet", "--set-upstream", "origin", "main")
