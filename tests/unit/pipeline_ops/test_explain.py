"""What the engine says when it fails, as one sentence that says what helps."""

from pathlib import Path

import pytest
from pulumi.automation import (
    CommandResult,
    DiagnosticEvent,
    EngineEvent,
    OpType,
    ResourcePreEvent,
    ResOutputsEvent,
    StepEventMetadata,
    StepEventStateMetadata,
)
from pulumi.automation.events import CancelEvent

from pipeline_ops.errors import OperatorError
from pipeline_ops.explain import cut_off_before, damaged_state, ended_at_once, explain, interrupted, unreadable_state
from pipeline_ops.journal import Journal
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.state import Backend
from pipeline_ops.where import Where

STACK = StackId("storage", "prod")
PROJECTS = Projects(None, Where(local=True))  # type: ignore[arg-type] # reads no files
FLEETING = Projects(None, Where(local=True, fleeting=True))  # type: ignore[arg-type] # likewise
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


def test_what_is_protected_is_named_once_with_the_setting_that_lets_it_go() -> None:
    bucket = QUEUE.replace("dead-letters", "objects")
    deleted = f'resource "{QUEUE}" cannot be deleted\nbecause it is protected. To unprotect the resource, either ...'
    replaced = f'unable to replace resource "{bucket}"\nas it is currently marked for protection. To unprotect ...'
    said = sentence((QUEUE, deleted), (bucket, replaced), stderr=f"error: {deleted}")
    assert said == (
        "storage/prod: protected, and so neither deleted nor replaced: dead-letters, objects. Set deletionProtection "
        "to false in projects/storage/Pulumi.prod.yaml, `nox -s deploy -- storage prod --local`, and then do it again."
    )


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
        (
            "error: saving: write /x/dev.json: no space left on device",
            "make room, then `nox -s refresh -- storage prod",
        ),
        ("error: PULUMI_ACCESS_TOKEN must be set for login", "`pulumi login`"),
        ("error: no resource plugin 'pulumi-resource-aws' found", "`pulumi plugin install resource aws`"),
    ],
)
def test_what_is_known_to_go_wrong_comes_with_what_helps(stderr: str, helps: str) -> None:
    said = sentence(stderr=stderr)
    assert helps in said
    assert len(said.splitlines()) == 1


def test_a_key_that_is_there_twice_is_named_with_file_and_lines() -> None:
    stderr = (
        "error: could not create secrets manager for new stack: yaml: unmarshal errors:\n"
        '  line 16: mapping key "storage:retentionDays" already defined at line 10'
    )
    file = "projects/storage/Pulumi.prod.yaml"
    assert (
        sentence(stderr=stderr)
        == f"{file} has storage:retentionDays in line 10 and again in line 16: remove one of them."
    )


def test_a_file_of_the_copy_that_pulumi_works_on_is_named_as_the_committed_one(tmp_path: Path) -> None:
    place = tmp_path / "copy"
    place.mkdir()
    link = tmp_path / "link"
    link.symlink_to(place)
    for written in (link, place):
        failure = CommandResult("", f"error: could not validate '{written}/Pulumi.yaml': no name", 255)
        said = str(explain(PROJECTS, STACK, "deploy", [], failure, link))
        assert said.endswith("error: could not validate 'projects/storage/Pulumi.yaml': no name")


def test_without_an_event_the_commands_last_lines_explain_it() -> None:
    assert "error: the disk is full" in sentence(stderr="error: the disk is full")
    assert "gave no reason" in sentence()


def test_an_interrupt_says_how_to_go_on() -> None:
    error = interrupted(PROJECTS, STACK, "deploy")
    assert error.exit_code == 130
    assert "`nox -s refresh -- storage prod --local`" in str(error)


def test_a_command_that_an_interrupt_suggests_is_named_once() -> None:
    said = str(interrupted(PROJECTS, STACK, "refresh"))
    assert said.count("`nox -s refresh -- storage prod --local`") == 1
    assert said.endswith("` goes on.")


@pytest.mark.parametrize(
    "ended",
    [
        interrupted(FLEETING, STACK, "deploy"),
        ended_at_once(FLEETING, STACK, "deploy", ["s3.Bucket objects"]),
        ended_at_once(FLEETING, STACK, "deploy", [], 9),
        explain(FLEETING, STACK, "deploy", [], CommandResult("", "error: no space left on device", 255)),
    ],
)
def test_what_ends_with_its_cloud_is_sent_to_no_other(ended: OperatorError) -> None:
    assert str(ended).endswith(". It is gone with its cloud.")
    assert "nox -s" not in str(ended)


@pytest.mark.parametrize(
    ("stderr", "said"),
    [
        (
            "error: write /x/.state: no space left on device",
            "the disk is full on which the state or Pulumi's temporary files are: make room.",
        ),
        (
            "error: the stack is currently locked by 1 lock(s).\n  x: created by ann@host (pid 7) at 2026-01-01T00:00Z",
            "another run has locked it (ann@host (pid 7) at 2026-01-01T00:00Z): wait until that has ended.",
        ),
        (
            'error: write ".pulumi/meta.yaml": blob (key "x") (code=Unknown): permission denied\n',
            'write ".pulumi/meta.yaml": blob (key "x") (code=Unknown): permission denied. '
            "See that it can be reached and written to.",
        ),
        ("", "Pulumi gave no reason. See that it can be reached and written to."),
    ],
)
def test_a_state_that_can_not_be_read_is_named_and_no_stack_is_made_up(stderr: str, said: str) -> None:
    error = unreadable_state(PROJECTS, Backend("s3://state?region=x"), CommandResult("", stderr, 255))
    assert str(error) == f"The state at s3://state?region=x can't be read: {said}"


def test_a_password_in_the_states_url_is_not_shown() -> None:
    error = unreadable_state(PROJECTS, Backend("postgres://me:secret@host/state"), None)
    assert str(error).startswith("The state at postgres://host/state can't be read: ")


def test_a_second_interrupt_claims_nothing_and_names_what_may_be_orphaned() -> None:
    error = ended_at_once(PROJECTS, STACK, "deploy", ["s3.Bucket objects", "sqs.Queue letters"])
    assert error.exit_code == 130
    assert "finished" not in str(error)
    assert "`nox -s refresh -- storage prod --local` looks what came of it" in str(error)
    assert "s3.Bucket objects, sqs.Queue letters" in str(error)
    assert "no state" not in str(ended_at_once(PROJECTS, STACK, "destroy", []))


def test_an_engine_that_was_killed_is_said_to_be() -> None:
    error = ended_at_once(PROJECTS, STACK, "deploy", [], 9)
    assert error.exit_code == 1
    assert "by SIGKILL" in str(error)


def test_an_earlier_run_that_was_cut_off_is_said_in_one_sentence_with_what_helps() -> None:
    said = str(cut_off_before(PROJECTS, STACK, ["s3.Bucket objects", "b", "c", "d"]))
    assert len(said.splitlines()) == 1
    assert "s3.Bucket objects, b, c and 1 more" in said
    assert "`nox -s refresh -- storage prod --local`" in said


def test_a_journal_knows_what_was_begun_to_be_created_and_did_not_come() -> None:
    def step(urn: str, op: OpType = OpType.CREATE, *, custom: bool = True) -> StepEventMetadata:
        kind = urn.split("::")[2].rpartition("$")[2]
        new = StepEventStateMetadata(kind, urn, "the-id", "", "", custom=custom)
        return StepEventMetadata(op, urn, kind, "", new=new)

    journal = Journal()
    began = (step(QUEUE), step(QUEUE + "-2"), step(QUEUE + "-3", OpType.UPDATE), step(PROGRAM, custom=False))
    for metadata in began:
        journal.record(EngineEvent(1, 1, resource_pre_event=ResourcePreEvent(metadata)))
    journal.record(EngineEvent(2, 2, res_outputs_event=ResOutputsEvent(step(QUEUE))))
    assert journal.creating() == ["sqs.Queue dead-letters-2"]
    assert journal.created() == ["sqs.Queue the-id"]
    error = damaged_state(STACK, "deploy", "The state is cut off.", journal)
    assert error.details == ("It made:", "sqs.Queue the-id", "sqs.Queue dead-letters-2, perhaps")
    assert damaged_state(STACK, "refresh", "The state is cut off.", Journal()).details == ()


def test_a_journal_keeps_errors_once_and_without_colour_marks() -> None:
    journal = Journal()
    for severity in ("error", "debug", "error"):
        diagnostic = DiagnosticEvent(message="<{%reset%}>broken<{%reset%}>\n", color="", severity=severity, urn=QUEUE)
        journal.record(EngineEvent(sequence=1, timestamp=1, diagnostic_event=diagnostic))
    journal.record(EngineEvent(sequence=2, timestamp=2, cancel_event=CancelEvent()))
    assert journal.errors() == [(QUEUE, "broken")]
