"""Git repositories of a pipeline of one function, made by a test: their identity and dates are its own."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MadeRepository"]

_FILES = {
    "projects/mail/Pulumi.yaml": "name: mail",
    "projects/mail/Pulumi.prod.yaml": "config:\n  mail:targets: [dev]\n",
    "projects/mail/__main__.py": (
        "from common.infra import archives\nfrom mail_project.parts import post\nfunction_archive('postman')\n"
    ),
    "projects/mail/src/mail_project/__init__.py": "",
    "projects/mail/src/mail_project/parts.py": "from common.stamps import STAMP\n",
    "packages/common/src/common/__init__.py": "",
    "packages/common/src/common/stamps.py": "",
    "packages/common/src/common/unused.py": "",
    "packages/common/src/common/infra/__init__.py": "",
    "packages/common/src/common/infra/archives.py": "def f() -> None:\n    import common.infra.lazy\n",
    "packages/common/src/common/infra/lazy.py": "",
    "packages/postman/pyproject.toml": '[project]\ndependencies = ["bag>=1", "boto3"]\n',
    "packages/postman/src/postman/__init__.py": "",
    "packages/bag/pyproject.toml": "[project]\n",
    "packages/bag/src/bag/__init__.py": "",
    "packages/other/src/other/__init__.py": "",
    "requirements/lambda.txt": "",
    "requirements/operators.txt": "",
    ".gitignore": "ignored/\n",
}


@dataclass
class MadeRepository:
    """A repository with one project, `mail`, whose function's archive holds the packages `postman` and `bag`."""

    folder: Path

    def __post_init__(self) -> None:
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("mail: begin", **_FILES)

    def git(self, *arguments: str) -> str:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            **{
                f"GIT_{who}_{what}": "tester@example.com"
                for who in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")
            },
            **{f"GIT_{who}_DATE": "2026-01-02T03:04:05Z" for who in ("AUTHOR", "COMMITTER")},
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
        }
        command = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()

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
