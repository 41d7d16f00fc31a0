"""`mask diff` as it is typed: what a checkout's policies let through that those of a commit did not."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from masking_policy.compiler import CheckedPolicy, compile_policy
from masking_policy.differences import Effect, PolicyDifference, differences
from pipeline_ops.checkout import open_projects
from pipeline_ops.configured_targets import configured_targets
from pipeline_ops.counts import counted
from pipeline_ops.errors import FAILED, MISUSED, OperatorError
from pipeline_ops.masking.policies import compile_file, required_policy
from pipeline_ops.projects import Projects
from pipeline_ops.releases.git import Git
from pipeline_ops.stack_settings import StackSettings, parse_settings
from pipeline_ops.terminal import Shown, TextTable, document, show, tell
from replication_core.masking.policy import MaskingPolicy

__all__ = ["diff"]

_STYLES = {Effect.LOOSER: "red", Effect.TIGHTER: "green", Effect.OTHER: ""}
_NO_REASON = "none is given: ask for one"


def diff(ref: str, exits: bool, as_json: bool) -> None:
    """Show what changed of the policies since a commit, target by target; `exits` with 1 where a reason is wanting."""
    changes = _changed_policies(open_projects(), ref)
    if as_json:
        document({"ref": ref, "changes": [each.document() for each in changes]})
    else:
        for each in changes:
            _show(each)
    if exits and any(each.needs_reason for change in changes for each in change.differences):
        sys.exit(FAILED)


@dataclass(frozen=True)
class _Masking:
    """What a target is masked by, at a commit or now."""

    file: str
    """Or what there is instead."""

    reason: str = ""
    policy: MaskingPolicy | None = field(default=None, compare=False)


_NO_TARGET = _Masking("no target", policy=MaskingPolicy())


@dataclass(frozen=True)
class _PolicyChange:
    """What changed for the targets that were, and are, masked by the same two policies."""

    targets: list[str]
    before: str
    after: str
    differences: tuple[PolicyDifference, ...]

    def document(self) -> dict[str, Any]:
        """Return it as a report in JSON holds it."""
        return {**vars(self), "differences": [each.document() for each in self.differences]}


def _changed_policies(projects: Projects, ref: str) -> list[_PolicyChange]:
    git = Git(projects.repository)
    if ref.startswith("-") or not git.succeeds("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"):
        raise OperatorError(f"{ref!r} names no commit here: name a branch, a tag or a commit.", MISUSED)
    before, after = _at(projects, git, ref), _now(projects)
    targets: dict[tuple[_Masking, _Masking], list[str]] = {}
    for target in sorted(before.keys() | after.keys()):
        sides = (before.get(target, _NO_TARGET), after.get(target, _NO_TARGET))
        targets.setdefault(sides, []).append(target)
    return [_PolicyChange(named, old.file, new.file, _between(old, new)) for (old, new), named in targets.items()]


def _between(before: _Masking, after: _Masking) -> tuple[PolicyDifference, ...]:
    if before.policy and after.policy:
        return differences(before.policy, after.policy)
    if before.policy is after.policy:
        return ()
    masked, plain = "masked", "as it is in production"
    if after.policy:
        return (PolicyDifference(Effect.TIGHTER, "everything", plain, masked),)
    return (PolicyDifference(Effect.LOOSER, "everything", masked, plain, after.reason),)


_Compile = Callable[[str], CheckedPolicy]


def _now(projects: Projects) -> Mapping[str, _Masking]:
    settings = projects.settings(projects.only_stack("replication"))
    return _maskings(settings, lambda file: compile_file(projects.repository / file, file))


def _at(projects: Projects, git: Git, ref: str) -> Mapping[str, _Masking]:
    """Return the same of a commit; nothing where it had no replication yet."""
    stack = projects.only_stack("replication")
    name = f"projects/{stack.project}/{stack.settings_file}"
    if not git.succeeds("cat-file", "-e", f"{ref}:./{name}"):
        return {}
    settings = parse_settings(git("show", f"{ref}:./{name}"), f"{name} at {ref}")
    return _maskings(settings, lambda file: compile_policy(git("show", f"{ref}:./{file}"), f"{file} at {ref}"))


def _maskings(settings: StackSettings, compiled: _Compile) -> Mapping[str, _Masking]:
    """Return what each target is masked by; raises OperatorError where nothing can be compared with a file."""
    found = {}
    for target in configured_targets(settings):
        found[target.environment] = _Masking("unmasked", target.reason)
        if target.is_masked:
            with required_policy(target.masking, FAILED):
                found[target.environment] = _Masking(target.masking, policy=compiled(target.masking).policy)
    return found


def _show(change: _PolicyChange) -> None:
    counts = {effect: sum(each.effect is effect for each in change.differences) for effect in Effect}
    unexplained = sum(each.needs_reason for each in change.differences)
    told = [f"{count:,} {effect}" for effect, count in counts.items() if count]
    told += [f"{counted(unexplained, 'loosening')} without a reason"] if unexplained else []
    files = change.after if change.before == change.after else f"{change.before} -> {change.after}"
    tell(f"{', '.join(change.targets)}: {files}: {', '.join(told) or 'nothing changed'}")
    if change.differences:
        table = TextTable("effect", "rule", "before", "now", "line", "reason", numbers=["line"], framed=False)
        for each in change.differences:
            reason = Shown(_NO_REASON, "red") if each.needs_reason else each.reason
            effect = Shown(each.effect.value, _STYLES[each.effect])
            table.add(effect, each.place, each.before, each.after, str(each.line or ""), reason)
        show(table)
