"""What a checkout's policies let through that those of a commit did not, target by target."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from masking_policy.compiler import compile_policy
from masking_policy.differences import Effect, PolicyDifference, differences
from masking_policy.faults import PolicyFileError
from pipeline_ops.errors import FAILED, MISUSED, OperatorError
from pipeline_ops.masking.configured import ConfiguredTarget, configured_targets
from pipeline_ops.projects import Projects
from pipeline_ops.releases.git import Git
from pipeline_ops.stack_settings import parse_settings
from replication_core.masking.policy import MaskingPolicy

__all__ = ["PolicyChange", "changed_policies"]


@dataclass(frozen=True)
class PolicyChange:
    """What changed for the targets that were, and are, masked by the same two policies."""

    targets: tuple[str, ...]
    before: str
    """The file at the commit, or what there was instead; likewise now."""

    after: str
    differences: tuple[PolicyDifference, ...]

    @property
    def title(self) -> str:
        """How it is told of."""
        files = self.after if self.before == self.after else f"{self.before} -> {self.after}"
        return f"{', '.join(self.targets)}: {files}"

    def document(self) -> dict[str, Any]:
        """Return it as a report in JSON holds it."""
        told = [each.document() for each in self.differences]
        return {"targets": list(self.targets), "before": self.before, "after": self.after, "differences": told}


@dataclass(frozen=True)
class _Masking:
    """What a target is masked by, at a commit or now."""

    file: str
    policy: MaskingPolicy | None
    reason: str


def changed_policies(projects: Projects, ref: str) -> tuple[PolicyChange, ...]:
    """Return what changed since a commit for each target of either; raises OperatorError where a side can't be read."""
    git = Git(projects.repository)
    if ref.startswith("-") or not git.succeeds("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"):
        raise OperatorError(f"{ref!r} names no commit here: name a branch, a tag or a commit.", MISUSED)
    before, after = _at(projects, git, ref), _now(projects)
    found: dict[tuple[str, str], PolicyChange] = {}
    for target in before.keys() | after.keys():
        old, new = (side.get(target, _NO_TARGET) for side in (before, after))
        key = (old.file + old.reason, new.file + new.reason)
        known = found.get(key)
        targets = tuple(sorted({*(known.targets if known else ()), target}))
        changes = known.differences if known else _between(old, new)
        found[key] = PolicyChange(targets, old.file, new.file, changes)
    return tuple(sorted(found.values(), key=lambda change: change.targets))


_NO_TARGET = _Masking("no target", MaskingPolicy(), "")


def _between(before: _Masking, after: _Masking) -> tuple[PolicyDifference, ...]:
    if before.policy and after.policy:
        return differences(before.policy, after.policy)
    if before.policy is after.policy:
        return ()
    masked, plain = "masked", "as it is in production"
    if after.policy:
        return (PolicyDifference(Effect.TIGHTER, "everything", plain, masked),)
    return (PolicyDifference(Effect.LOOSER, "everything", masked, plain, after.reason),)


def _now(projects: Projects) -> Mapping[str, _Masking]:
    settings = projects.settings(projects.only_stack("replication"))
    targets = configured_targets(settings)
    texts = {each.masking: _read(projects, each.masking) for each in targets if each.is_masked}
    return {each.environment: _masking(each, texts.get(each.masking), "") for each in targets}


def _read(projects: Projects, file: str) -> bytes:
    try:
        return (projects.repository / file).read_bytes()
    except OSError as error:
        raise OperatorError(f"{file} can't be read: {error.strerror}.") from error


def _at(projects: Projects, git: Git, ref: str) -> Mapping[str, _Masking]:
    """Return the same of a commit; nothing where it had no replication yet."""
    stack = projects.only_stack("replication")
    name = f"projects/{stack.project}/{stack.settings_file}"
    if not git.succeeds("cat-file", "-e", f"{ref}:./{name}"):
        return {}
    targets = configured_targets(parse_settings(git("show", f"{ref}:./{name}"), f"{name} at {ref}"))
    texts = {each.masking: git("show", f"{ref}:./{each.masking}").encode() for each in targets if each.is_masked}
    return {each.environment: _masking(each, texts.get(each.masking), f" at {ref}") for each in targets}


def _masking(target: ConfiguredTarget, text: bytes | None, at: str) -> _Masking:
    if text is None:
        return _Masking("unmasked", None, target.reason)
    try:
        return _Masking(target.masking, compile_policy(text, f"{target.masking}{at}").policy, "")
    except PolicyFileError as error:
        raise OperatorError(
            f"{target.masking}{at} is no policy, so nothing can be compared with it:",
            FAILED,
            details=str(error).splitlines(),
        ) from error
