"""`history` as it is typed: what was deployed to a stack, and what came of it."""

from pipeline_ops.checkout import open_projects
from pipeline_ops.deployed_system import deployed_system
from pipeline_ops.history import DONE, FAILED, JUDGED, DeployRecord
from pipeline_ops.terminal import TextTable, document, show, tell
from pipeline_ops.where import Where

__all__ = ["history"]

_SHOWN = 30
"""The newest records that a person is shown; `--json` has all."""


def history(project: str, environment: str, where: Where, as_json: bool) -> None:
    """Show the newest deploys of a stack, or print them all as one JSON document."""
    projects = open_projects(where)
    stack = projects.stack(project, environment)
    records = list(deployed_system(projects).history(stack).records())
    if as_json:
        document({"stack": str(stack), "records": [record.document() for record in records]})
    elif not records:
        tell(f"Nothing is known of deploys of {stack}.")
    else:
        table = TextTable("at (UTC)", "what", "release", "of", "live", "result", "who", title=str(stack), framed=False)
        for record in records[:_SHOWN]:
            table.add(*_cells(record))
        show(table)
        if len(records) > _SHOWN:
            tell(f"And {len(records) - _SHOWN} before: `--json` has them all.")


def _cells(record: DeployRecord) -> list[str]:
    moved = [
        f"{name} {record.before.get(name, 'new')} -> {version}"
        for name, version in sorted(record.after.items())
        if version != record.before.get(name)
    ]
    judged = {DONE: "well", FAILED: "not well"} if record.what == JUDGED else {}
    result = ": ".join(filter(None, (judged.get(record.result, record.result), record.said)))
    routes = ", ".join(record.routes) or "all"
    return [
        record.at[:19].replace("T", " "),
        record.what,
        record.release,
        routes,
        "; ".join(moved) or "-",
        result,
        record.who,
    ]
