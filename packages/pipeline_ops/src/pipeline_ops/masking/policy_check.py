"""What is wrong with the policies of a checkout, told without Pulumi and without AWS."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masking_policy.compiler import compile_policy
from masking_policy.faults import Fault, Faults, PolicyFileError
from masking_policy.places import rules_of
from masking_policy.stored import StoredData
from pipeline_ops.counts import counted
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.masking.configured import ConfiguredTarget, configured_targets, stored_data
from pipeline_ops.projects import Projects
from replication_core.masking.policy import MaskingPolicy
from replication_core.route_spec import UNMASKED

__all__ = ["PolicyCheck", "check_policies"]


@dataclass(frozen=True)
class PolicyCheck:
    """What was found in one file, or of a target that names none."""

    file: str
    targets: tuple[str, ...]
    """The environments of the targets that name it."""

    faults: tuple[Fault, ...]
    said: str
    """What the policy has, or why there is none, as a sentence goes on about the file."""

    @property
    def is_usable(self) -> bool:
        """Whether nothing is wrong with it."""
        return all(fault.is_warning for fault in self.faults)

    @property
    def title(self) -> str:
        """How it is told of."""
        return f"{self.file} ({', '.join(self.targets)})" if self.targets else self.file

    def document(self) -> dict[str, Any]:
        """Return it as a report in JSON holds it."""
        faults = [fault.document() for fault in self.faults]
        return {"file": self.file, "targets": list(self.targets), "usable": self.is_usable, "faults": faults}


def check_policies(projects: Projects, words: Sequence[str], folder: Path) -> tuple[PolicyCheck, ...]:
    """Check what the words name, targets or files below `folder`; without words whatever the targets are masked by.

    A policy is held against what each target that names it gets. Raises OperatorError for a word that is neither.
    """
    source = projects.only_stack("replication")
    settings = projects.settings(source)
    targets = configured_targets(settings)
    if words:
        files = dict.fromkeys(_named(projects, targets, word, folder) for word in words)
        return tuple(_of_file(projects, file, targets) for file in files)
    files = dict.fromkeys(target.masking for target in targets if target.is_masked)
    unmasked = [_of_unmasked(settings.name, target) for target in targets if not target.is_masked]
    return (*(_of_file(projects, file, targets) for file in files), *unmasked)


def _named(projects: Projects, targets: Sequence[ConfiguredTarget], word: str, folder: Path) -> str:
    """Return the file that a word names, from the repository's root where it is below that."""
    for target in targets:
        if target.environment == word:
            if not target.is_masked:
                raise OperatorError(f"{word} names no policy: its masking is {target.masking or 'not said'}.", MISUSED)
            return target.masking
    path = (folder / word).resolve()
    if not path.is_file():
        named = ", ".join(target.environment for target in targets)
        raise OperatorError(f"{word!r} is no target ({named}), and no file.", MISUSED)
    root = projects.repository.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _of_unmasked(settings_file: str, target: ConfiguredTarget) -> PolicyCheck:
    faults = Faults(settings_file)
    name, place = target.environment, "replication:targets"
    if not target.masking:
        fix = f"write `masking: policies/{name}.yaml`, or `masking: {UNMASKED}` with a `reason`"
        faults.add(0, place, f"says of {name} no masking", fix)
    elif not target.reason:
        faults.add(0, place, f"says of {name} masking: {UNMASKED} without a reason", "add `reason:`")
    return PolicyCheck(settings_file, (target.environment,), faults.errors, f"masks nothing: {target.reason}")


def _of_file(projects: Projects, file: str, targets: Sequence[ConfiguredTarget]) -> PolicyCheck:
    naming = [target for target in targets if target.masking == file]
    try:
        text = (projects.repository / file).read_bytes()
    except OSError as error:
        faults = Faults(file)
        faults.add(0, "", f"can't be read ({error.strerror})", "write it, or name the file that is there")
        return PolicyCheck(file, _names(naming), faults.errors, "")
    source = projects.only_stack("replication")
    found: dict[Fault, None] = {}
    said = ""
    gotten: list[StoredData | None] = [stored_data(projects, source, target) for target in naming]
    for stored in gotten or [None]:
        try:
            checked = compile_policy(text, file, stored)
        except PolicyFileError as error:
            found |= dict.fromkeys(error.faults)
        else:
            found |= dict.fromkeys(checked.warnings)
            said = _contents(checked.policy)
    return PolicyCheck(file, _names(naming), tuple(sorted(found)), said)


def _names(targets: Sequence[ConfiguredTarget]) -> tuple[str, ...]:
    return tuple(target.environment for target in targets)


def _contents(policy: MaskingPolicy) -> str:
    rules = counted(sum(1 for _ in rules_of(policy)), "rule")
    tables, buckets = counted(len(policy.tables), "table"), counted(len(policy.buckets), "bucket")
    return f"{rules} for {tables} and {buckets}"
