"""`comment` and `issue` as they are typed: a report shown where people see it, once, and brought up to date."""

from collections.abc import Sequence
from pathlib import Path

from pipeline_ops.delivery.github import MOST_CHARACTERS, GitHub
from pipeline_ops.delivery.markdown import cut
from pipeline_ops.errors import OperatorError
from pipeline_ops.terminal import tell

__all__ = ["comment", "issue"]


def comment(number: int, title: str, report: Path) -> None:
    """Make a report the one comment of that title on a pull request: the first is added, and then replaced."""
    github = GitHub.of_workflow()
    text = _text(title, _content(report))
    mark = text.partition("\n")[0]
    # Anybody may write the mark: only a workflow's own comment is replaced.
    ours = [one for one in github.comments(number) if _is_ours(one) and str(one["body"]).startswith(mark)]
    if ours:
        github.change_comment(int(ours[0]["id"]), text)
    else:
        github.comment(number, text)
    tell(f"Pull request {number} shows {title}.")


def issue(title: str, reports: Sequence[Path]) -> None:
    """Open an issue of that title with the reports, or bring the open one up to date; without findings close it.

    Raises OperatorError where a report is not there: what was not looked at is not well.
    """
    github = GitHub.of_workflow()
    ours = [
        int(one["number"])
        for one in github.open_issues()
        if _is_ours(one) and one["title"] == title and "pull_request" not in one
    ]
    found = "".join(map(_content, reports))
    if not found.strip():
        for number in ours:
            github.change_issue(number, state="closed")
        tell(f"No issue is open: {title}.")
    elif ours:
        github.change_issue(ours[0], body=_text(title, found))
        tell(f"Issue {ours[0]} is up to date: {title}.")
    else:
        github.open_issue(title, _text(title, found))
        tell(f"An issue is opened: {title}.")


def _is_ours(one: object) -> bool:
    match one:
        case {"user": {"type": "Bot"}, "body": str()}:
            return True
    return False


def _content(report: Path) -> str:
    try:
        return report.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise OperatorError(f"There is no report {report}: the step that writes it has failed, see its log.") from error


def _text(title: str, content: str) -> str:
    """Return what is shown, whose first line tells it from any other's."""
    return cut(f"<!-- {title} -->\n## {title}\n\n{content}", MOST_CHARACTERS)
