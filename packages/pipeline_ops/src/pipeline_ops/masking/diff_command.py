"""`mask diff` as it is typed."""

from masking_policy.differences import Effect
from pipeline_ops.checkout import open_projects
from pipeline_ops.counts import counted
from pipeline_ops.masking.policy_diff import PolicyChange, changed_policies
from pipeline_ops.terminal import Shown, TextTable, document, show, tell

__all__ = ["diff"]

_STYLES = {Effect.LOOSER: "red", Effect.TIGHTER: "green", Effect.OTHER: ""}
_NO_REASON = "none is given: ask for one"


def diff(ref: str, as_json: bool) -> None:
    """Show what changed of the policies since a commit."""
    changes = changed_policies(open_projects(), ref)
    if as_json:
        document({"ref": ref, "changes": [each.document() for each in changes]})
        return
    for each in changes:
        _show(each)


def _show(change: PolicyChange) -> None:
    counts = {effect: sum(each.effect is effect for each in change.differences) for effect in Effect}
    unexplained = sum(each.needs_reason for each in change.differences)
    told = [f"{count:,} {effect}" for effect, count in counts.items() if count]
    told += [f"{counted(unexplained, 'loosening')} without a reason"] if unexplained else []
    tell(f"{change.title}: {', '.join(told) or 'nothing changed'}")
    if change.differences:
        table = TextTable("effect", "rule", "before", "now", "line", "reason", numbers=["line"], framed=False)
        for each in change.differences:
            reason = Shown(_NO_REASON, "red") if each.needs_reason else each.reason
            effect = Shown(each.effect.value, _STYLES[each.effect])
            table.add(effect, each.place, each.before, each.after, str(each.line or ""), reason)
        show(table)
