"""A repository of its own, whose commits are releases of the replication: good ones, and bad ones."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.former_release import FUNCTIONS
from tests.integration.repositories import ROOT

__all__ = ["BREAKS_ITEMS", "SLOW", "WRONG_ITEMS", "Change", "Checkout"]

_GOOD = "good"
SOAK_SECONDS = 2
ANSWER_SECONDS = 20


@dataclass(frozen=True)
class Change:
    """A change of one file: what is added after a line that is there once."""

    path: str
    after: str
    added: str


ITEMS_READ = "packages/replication_core/src/replication_core/items/states.py"
BREAKS_ITEMS = Change(
    ITEMS_READ,
    '        """Read the source\'s current items, consistently."""\n',
    '        raise KeyError("no item is read by this build")\n',
)
"""Fails for each item, and for no object."""

SLOW = Change(
    "packages/replication_core/src/replication_core/replicator.py",
    "    def _settle(self, keys: Collection[T], store: Store[T, Any]) -> dict[T, Outcome]:\n",
    '        __import__("time").sleep(40)\n',
)
"""Takes forty seconds for what takes a moment."""

WRONG_ITEMS = Change(
    "packages/replication_core/src/replication_core/desired.py",
    "    added = zip(ADDED_ATTRIBUTES, (target, source), strict=True)\n",
    '    item = {**item, "value": {"S": "of another item"}}\n',
)
"""Makes items that are not their source's."""


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
            changed = self.folder / change.path
            good = changed.read_text()
            assert good.count(change.after) == 1, change
            changed.write_text(good.replace(change.after, change.after + change.added))
        self._commit(version)
        self._git("tag", "--annotate", f"--message={version}", f"replication/{version}")

    def _commit(self, message: str) -> None:
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", f"--message={message}")

    def _git(self, *arguments: str) -> None:
        somebody = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.com", "-c", "tag.gpgSign=false")
        subprocess.run(["git", *somebody, *arguments], cwd=self.folder, check=True)
