"""What the engine says when it fails, as one sentence that says what helps."""

import pytest
from pulumi.automation import CommandResult, DiagnosticEvent, EngineEvent
from pulumi.automation.events import CancelEvent

from pipeline_ops.explain import explain, interrupted
from pipeline_ops.journal import Journal
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.where import Where

STACK = StackId("storage", "prod")
PROJECTS = Projects(None, Where(local=True))  # type: ignore[arg-type] # reads no files
QUEUE = "urn:pulumi:prod::storage::pipeline:storage:Store$aws:sqs/queue:Queue::dead-letters"
PROGRAM = "urn:pulumi:prod::storage::pulumi:pulumi:Stack::storage-prod"


def sentence(*errors: tuple[str, str], stderr: str = "", stdout: str = "") -> str:
    return str(explain(PROJECTS, STACK, "deploy", list(errors), CommandResult(stdout, stderr, 255)))


def test_a_resources_error_is_named_after_it() -> None:
    said = sentence((QUEUE, "creating queue: AccessDenied"), (PROGRAM, "update failed"))
    assert said == "storage/prod: deploy failed: dead-letters: creating queue: AccessDenied"


def test_several_errors_are_a_line_each() -> None:
    said = sentence((QUEUE, "one"), (PROGRAM, "two"), (PROGRAM, "two"))
    assert said.splitlines() == ["storage/prod: deploy failed:", "  dead-letters: one", "  two"]


def test_a_programs_traceback_is_left_out() -> None:
    message = "python inline source runtime error: the key is missing\nTraceback (most recent call last):\n  File ..."
    assert sentence((PROGRAM, message)) == "storage/prod: deploy failed: the key is missing"


def test_what_the_engine_repeats_is_said_once() -> None:
    said = sentence((PROGRAM, "aws:region is missing."), ("", "an unhandled error occurred: aws:region is missing."))
    assert said == "storage/prod: deploy failed: aws:region is missing."


def test_another_runs_lock_names_who_holds_it_and_how_to_remove_it() -> None:
    stderr = (
        "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete "
        "the lock file with `pulumi cancel`.\n  file:///x.json: created by ann@host (pid 7) at 2026-01-01T00:00:00Z"
    )
    said = sentence(stderr=stderr)
    assert "locked by another run (ann@host (pid 7) at 2026-01-01T00:00:00Z)" in said
    assert "`nox -s unlock -- storage prod --local`" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("stderr", "helps"),
    [
        ("error: [409] Conflict: Another update is currently in progress.", "unlock -- storage prod"),
        ("error: incorrect passphrase", "PULUMI_CONFIG_PASSPHRASE"),
        ("error: PULUMI_ACCESS_TOKEN must be set for login", "`pulumi login`"),
        ("error: no resource plugin 'pulumi-resource-aws' found", "`pulumi plugin install resource aws`"),
    ],
)
def test_what_is_known_to_go_wrong_comes_with_what_helps(stderr: str, helps: str) -> None:
    said = sentence(stderr=stderr)
    assert helps in said
    assert len(said.splitlines()) == 1


def test_without_an_event_the_commands_last_lines_explain_it() -> None:
    assert "error: the disk is full" in sentence(stderr="error: the disk is full")
    assert "gave no reason" in sentence()


def test_an_interrupt_says_how_to_go_on() -> None:
    error = interrupted(PROJECTS, STACK, "deploy")
    assert error.exit_code == 130
    assert "`nox -s refresh -- storage prod --local`" in str(error)


def test_a_journal_keeps_errors_once_and_without_colour_marks() -> None:
    journal = Journal()
    for severity in ("error", "debug", "error"):
        diagnostic = DiagnosticEvent(message="<{%reset%}>broken<{%reset%}>\n", color="", severity=severity, urn=QUEUE)
        journal.record(EngineEvent(sequence=1, timestamp=1, diagnostic_event=diagnostic))
    journal.record(EngineEvent(sequence=2, timestamp=2, cancel_event=CancelEvent()))
    assert journal.errors() == [(QUEUE, "broken")]
