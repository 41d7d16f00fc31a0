"""A repository of its own, whose commits are releases of the replication: good ones, and bad ones."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.former_release import FUNCTIONS
from tests.integration.repositories import ROOT
from tests.unmasked import unmask

__all__ = ["BREAKS_ITEMS", "SLOW", "WRONG_ITEMS", "Change", "Checkout"]

_GOOD = "good"
SOAK_SECONDS = 2
ANSWER_SECONDS = 20


@dataclass(frozen=True)
class Change:
    """A change of the functions' code: what is added at the end of a module."""

    path: str
    added: str


_DESIRED = "packages/replication_core/src/replication_core/desired.py"

BREAKS_ITEMS = Change(
    _DESIRED,
    """
def desired_item(*_, **__):
    raise KeyError("this build makes no items")
""",
)
"""Fails for each item, and for no object."""

WRONG_ITEMS = Change(
    _DESIRED,
    """
_right_item = desired_item

def desired_item(*values, **named):
    return {**_right_item(*values, **named), "value": {"S": "of another item"}}
""",
)
"""Makes items that are not their source's."""

SLOW = Change(
    "packages/replicator_lambda/src/replicator_lambda/handler.py",
    """
_fast_handle = handle

def handle(event, context):
    __import__("time").sleep(40)
    return _fast_handle(event, context)
""",
)
"""Takes forty seconds for what takes a moment."""


@dataclass(frozen=True)
class Checkout:
    """The repository, at its last release."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> "Checkout":
        """Copy what git has, or is about to have, of what a deploy reads; routes are watched for a moment."""
        own = ("--cached", "--others", "--exclude-standard", "packages", "projects", "requirements")
        done = subprocess.run(["git", "ls-files", "-z", *own], cwd=ROOT, stdout=subprocess.PIPE, check=True)
        for name in filter(None, done.stdout.decode().split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, folder / name)
        settings = folder / "projects" / "replication" / "Pulumi.prod.yaml"
        unmask(settings)
        text = settings.read_text()
        text = text.replace("soakSeconds: 300", f"soakSeconds: {SOAK_SECONDS}")
        settings.write_text(text.replace("soakAnswerSeconds: 30", f"soakAnswerSeconds: {ANSWER_SECONDS}"))
        checkout = cls(folder)
        checkout._git("init", "--quiet", "--initial-branch=main")
        checkout._commit("the good code")
        checkout._git("tag", _GOOD)
        return checkout

    def release(self, version: str, change: Change | None = None, code: Path | None = None) -> None:
        """Make a release, of the good code but for one change, or of the functions' code that is elsewhere."""
        self._git("checkout", "--quiet", _GOOD, "--", ".")
        if code is not None:
            for package in FUNCTIONS:
                shutil.rmtree(self.folder / package)
                shutil.copytree(code / package, self.folder / package)
        if change is not None:
            with (self.folder / change.path).open("a") as changed:
                changed.write(change.added)
        self._commit(version)
        self._git("tag", "--annotate", f"--message={version}", f"replication/{version}")

    def _commit(self, message: str) -> None:
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", f"--message={message}")

    def _git(self, *arguments: str) -> None:
        somebody = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.com", "-c", "tag.gpgSign=false")
        subprocess.run(["git", *somebody, *arguments], cwd=self.folder, check=True)
