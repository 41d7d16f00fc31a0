"""`mask check` as it is typed."""

import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline_ops.checkout import open_projects
from pipeline_ops.counts import counted
from pipeline_ops.errors import FAILED
from pipeline_ops.masking.policy_check import PolicyCheck, check_policies
from pipeline_ops.terminal import Shown, TextTable, document, show, tell

__all__ = ["check"]


def check(words: Sequence[str], as_json: bool) -> None:
    """Show what is wrong with policies; exit with 1 where something is."""
    checks = check_policies(open_projects(), words, Path.cwd())
    if as_json:
        document({"policies": [each.document() for each in checks]})
    else:
        for each in checks:
            _show(each)
    if not all(each.is_usable for each in checks):
        sys.exit(FAILED)


def _show(check: PolicyCheck) -> None:
    wrong = sum(not fault.is_warning for fault in check.faults)
    warned = len(check.faults) - wrong
    found = [counted(wrong, "fault")] if wrong else [check.said]
    found += [counted(warned, "warning")] if warned else []
    tell(f"{check.title}: {', '.join(found)}")
    if check.faults:
        table = TextTable("line", "rule", "what", "what to do", numbers=["line"], framed=False)
        for fault in check.faults:
            style = "yellow" if fault.is_warning else "red"
            table.add(str(fault.line or ""), Shown(fault.place or "-", style), fault.what, fault.fix)
        show(table)
