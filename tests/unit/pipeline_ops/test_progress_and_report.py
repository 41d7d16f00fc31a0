"""What an operator sees while the engine runs, and when it is done."""

import io
from dataclasses import replace

import pytest
from pulumi.automation import (
    DiagnosticEvent,
    EngineEvent,
    OpType,
    ResOpFailedEvent,
    ResourcePreEvent,
    ResOutputsEvent,
    StepEventMetadata,
    StepEventStateMetadata,
)
from rich.console import Console

from pipeline_ops.counts import counted
from pipeline_ops.deployment import Result
from pipeline_ops.progress import ProgressDisplay, Tracker
from pipeline_ops.projects import StackId
from pipeline_ops.report import results_document, summaries, summary
from pipeline_ops.resource_names import short_type

STACK = StackId("storage", "dev")


def step(op: OpType, *, kind: str = "aws:sqs/queue:Queue", diffs: list[str] | None = None) -> StepEventMetadata:
    custom = not kind.startswith("pipeline:")
    urn = f"urn:pulumi:dev::storage::{kind}::dead-letters"
    state = StepEventStateMetadata(
        type=kind, urn=urn, id="x", parent="", provider="", inputs={"password": "hush"}, outputs={}, custom=custom
    )
    return StepEventMetadata(op=op, urn=urn, type=kind, provider="", new=state, diffs=diffs)


def begun(metadata: StepEventMetadata) -> EngineEvent:
    return EngineEvent(sequence=1, timestamp=1, resource_pre_event=ResourcePreEvent(metadata))


def done(metadata: StepEventMetadata) -> EngineEvent:
    return EngineEvent(sequence=2, timestamp=2, res_outputs_event=ResOutputsEvent(metadata))


def warning(message: str) -> EngineEvent:
    diagnostic = DiagnosticEvent(message=message, color="", severity="warning")
    return EngineEvent(sequence=3, timestamp=3, diagnostic_event=diagnostic)


@pytest.mark.parametrize(
    ("token", "short"),
    [
        ("aws:sqs/queue:Queue", "sqs.Queue"),
        ("aws:s3/bucketV2:BucketV2", "s3.BucketV2"),
        ("pipeline:storage:Store", "storage.Store"),
        ("odd", "odd"),
    ],
)
def test_types_are_written_as_people_say_them(token: str, short: str) -> None:
    assert short_type(token) == short


def test_a_resource_is_shown_while_it_is_worked_on_and_said_when_it_is_done() -> None:
    tracker = Tracker(STACK, "deploy")
    assert tracker.take(begun(step(OpType.CREATE)), 10.0) is None
    assert [doing for doing, _ in tracker.active.values()] == ["creating sqs.Queue dead-letters"]
    line = tracker.take(done(step(OpType.CREATE)), 11.5)
    assert str(line) == "storage/dev + created sqs.Queue dead-letters (1.5 s)"
    assert tracker.active == {}


def test_a_preview_says_what_would_be() -> None:
    line = Tracker(STACK, "preview").take(done(step(OpType.DELETE)), 1.0)
    assert str(line) == "storage/dev - would be deleted: sqs.Queue dead-letters"


def test_an_update_names_the_properties_and_never_their_values() -> None:
    line = str(
        Tracker(STACK, "deploy").take(done(step(OpType.UPDATE, diffs=["tags.Team", "tags.Author", "policy"])), 1.0)
    )
    assert "[policy, tags]" in line
    assert "hush" not in line


@pytest.mark.parametrize("metadata", [step(OpType.SAME), step(OpType.READ), step(OpType.CREATE, kind="pipeline:a:B")])
def test_what_does_not_change_the_cloud_is_not_said(metadata: StepEventMetadata) -> None:
    tracker = Tracker(STACK, "deploy")
    assert tracker.take(done(metadata), 1.0) is None


def test_a_failure_and_a_warning_are_said_at_once() -> None:
    tracker = Tracker(STACK, "deploy")
    tracker.take(begun(step(OpType.CREATE)), 1.0)
    failed = EngineEvent(sequence=3, timestamp=3, res_op_failed_event=ResOpFailedEvent(step(OpType.CREATE), 1, 1))
    assert "failed sqs.Queue dead-letters" in str(tracker.take(failed, 2.0))
    assert tracker.active == {}
    assert str(tracker.take(warning("<{%fg 1%}>deprecated\n"), 3.0)) == "storage/dev ! deprecated"


@pytest.mark.parametrize("terminal", [False, True])
def test_everything_that_was_enqueued_is_shown_before_it_ends(terminal: bool) -> None:
    written = io.StringIO()
    with ProgressDisplay(Console(file=written, force_terminal=terminal, width=100)) as progress:
        progress.say("Waiting for [the emulator]")
        progress.on_event(STACK, "deploy", begun(step(OpType.CREATE)))
        progress.on_event(STACK, "deploy", done(step(OpType.CREATE)))
        progress.finish()
        assert "created sqs.Queue dead-letters" in written.getvalue()
    assert "Waiting for [the emulator]" in written.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_what_others_wrote_is_shown_as_text(terminal: bool, encoding: str) -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    with ProgressDisplay(Console(file=file, force_terminal=terminal, width=200)) as progress:
        progress.say("Asked for [/x] \x1b]52;c;ZQ==\x07\u202e \u20ac")
        progress.on_event(STACK, "deploy", warning("beware of \x1b[8m\nand \u2066 too"))
    file.flush()
    written = raw.getvalue().decode(encoding)
    assert r"Asked for [/x] \x1b]52;c;ZQ==\x07\u202e" in written
    assert r"beware of \x1b[8m" in written
    assert r"and \u2066 too" in written
    assert "\x1b]" not in written
    assert "\u202e" not in written


def result(operation: str, **changes: int) -> Result:
    return Result(STACK, operation, changes, 1.25, {"queue_url": "http://q", "token": "[secret]"})


@pytest.mark.parametrize(
    ("of", "line"),
    [
        (result("deploy", create=2, same=3), "storage/dev: 2 created, 3 unchanged (1.2 s)"),
        (result("preview", create=2, replace=1), "storage/dev: 2 to create, 1 to replace (1.2 s)"),
        (result("deploy", same=5), "storage/dev: nothing changed, 5 resources (1.2 s)"),
        (result("deploy", same=1), "storage/dev: nothing changed, 1 resource (1.2 s)"),
        (result("preview", same=5, read=1), "storage/dev: nothing would change, 6 resources (1.2 s)"),
        (result("refresh", same=5), "storage/dev: nothing had drifted, 5 resources (1.2 s)"),
        (
            replace(result("deploy", update=2), release="v1.4.0", routes=("dev",)),
            "storage/dev (v1.4.0, route to dev): 2 updated (1.2 s)",
        ),
        (
            replace(result("preview", same=1), release="v1.4.0+1.gabc1234.dirty"),
            ("storage/dev (v1.4.0+1.gabc1234.dirty): nothing would change, 1 resource (1.2 s)"),
        ),
    ],
)
def test_a_run_ends_with_one_line(of: Result, line: str) -> None:
    assert summary(of) == line


def test_what_the_operator_has_to_know_comes_below_its_stacks_line() -> None:
    noticed = replace(result("refresh", same=5), notices=("kms.Key k may be orphaned.",))
    lines = summaries([noticed, result("deploy", create=2)])
    assert lines[1:] == ["storage/dev: kms.Key k may be orphaned.", "storage/dev: 2 created (1.2 s)"]
    assert results_document([noticed])["results"][0]["notices"] == ["kms.Key k may be orphaned."]


def test_results_are_one_document() -> None:
    document = results_document([result("deploy", create=2)])
    assert document["results"] == [
        {
            "stack": "storage/dev",
            "operation": "deploy",
            "release": "",
            "routes": [],
            "unchanged": False,
            "changes": {"create": 2},
            "seconds": 1.2,
            "outputs": {"queue_url": "http://q", "token": "[secret]"},
            "notices": [],
        }
    ]


@pytest.mark.parametrize(("number", "text"), [(0, "0 keys"), (1, "1 key"), (2, "2 keys"), (12_345, "12,345 keys")])
def test_a_number_and_its_noun_agree(number: int, text: str) -> None:
    assert counted(number, "key") == text
