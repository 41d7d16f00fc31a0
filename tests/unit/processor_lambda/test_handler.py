"""The function: what becomes of each message, and who is told."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor_lambda.notices import Continuation, ObjectNotice, PoisonError, Progress, parse
from tests.unit.processor_lambda.cloud import KEY, Cloud, lines, record, refusal

NOTICE = ObjectNotice(key=KEY, reason="event").body()


def event(*records: dict[str, Any]) -> dict[str, Any]:
    return {"Records": list(records)}


def failed(answer: dict[str, Any]) -> list[str]:
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def test_a_file_is_processed_and_counted_and_its_contents_are_told_nobody(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.put(lines(2) + b'{"id": "the-data-itself"')
    assert failed(cloud.function().process(event(record(NOTICE)))) == []
    told = capsys.readouterr().out
    (metrics,) = [json.loads(line) for line in told.splitlines() if line.startswith('{"_aws"')]
    names = ("environment", "Runs", "FailedRuns", "RecordsRead", "RecordsRejected", "RecordsWritten")
    values = [metrics[name] for name in (*names, "ProcessingFailures")]
    assert values == ["dev", [1.0], [0.0], [3.0], [1.0], [2.0], [0.0]]
    assert "the-data-itself" not in told
    assert cloud.take(cloud.settings.dlq_url) == []


def test_only_the_failed_message_comes_back_and_the_last_try_is_a_dead_letter(cloud: Cloud) -> None:
    cloud.put(lines(2))
    cloud.put(b"", "incoming/empty.jsonl")
    cloud.fault_for = lambda operation: refusal("InternalServerError", 500) if "BatchWrite" in operation else None
    other = ObjectNotice(key="incoming/empty.jsonl").body()
    answer = cloud.function().process(event(record(NOTICE, id_="1"), record(other, id_="2")))
    assert failed(answer) == ["1"]
    assert failed(cloud.function().process(event(record(NOTICE, id_="1", attempts=6)))) == []
    (letter,) = cloud.take(cloud.settings.dlq_url)
    assert letter.pop("timestamp")
    assert letter.pop("error")["type"] == "InternalServerError"
    assert letter == {
        "schema": "pipeline.envelope/1",
        "event": json.loads(NOTICE),
        "attempts": 6,
        "target": "dev",
    }


def test_a_failed_run_and_a_poisoned_message_are_dead_letters_at_once(cloud: Cloud) -> None:
    cloud.put(b"[1", "incoming/a.json")
    notice = ObjectNotice(key="incoming/a.json").body()
    assert failed(cloud.function().process(event(record(notice), record("poison", id_="p")))) == []
    letters = {letter["error"]["type"]: letter for letter in cloud.take(cloud.settings.dlq_url)}
    assert letters["FailedRun"]["error"]["message"] == "the JSON array is not closed"
    assert letters["PoisonNotice"]["event"] == "poison"


def test_a_message_whose_envelope_can_not_be_sent_comes_back(cloud: Cloud) -> None:
    cloud.fault_for = lambda operation: refusal("ServiceUnavailable", 503) if "SendMessage" in operation else None
    assert failed(cloud.function().process(event(record("poison")))) == ["m"]


def test_a_message_that_there_is_no_time_for_comes_back(cloud: Cloud) -> None:
    assert failed(cloud.function().process(event(record(NOTICE)), remaining_ms=0)) == ["m"]


def test_an_events_key_is_taken_as_it_is() -> None:
    detail = {"bucket": {"name": "data"}, "object": {"key": "incoming/a+b%2B.csv", "version-id": "v"}}
    notice = parse(json.dumps({"source": "aws.s3", "detail-type": "Object Created", "detail": detail}))
    assert notice == ObjectNotice(key="incoming/a+b%2B.csv", version_id="v", reason="event", bucket="data")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        '{"source": "aws.s3", "detail": {}}',
        '{"schema": "pipeline.processing/1"}',
        '{"schema": "pipeline.processing/1", "kind": "object"}',
        '{"schema": "pipeline.processing/1", "kind": "object", "key": ""}',
        '{"schema": "pipeline.processing/1", "kind": "object", "key": "\\ud800"}',
        '{"schema": "pipeline.processing/1", "kind": "object", "key": "a", "version_id": 1}',
        '{"schema": "pipeline.processing/1", "kind": "continuation", "key": "a"}',
        "[" * 100_000,
    ],
)
def test_what_is_no_notice_is_poison(body: str) -> None:
    with pytest.raises(PoisonError):
        parse(body)


CONTINUATION = Continuation(
    key=KEY,
    version_id="v",
    etag="e",
    encoding="csv",
    progress=Progress(read=5, first="1", pieces=("a", "b"), started_at="2026-01-01T00:00:00.000+00:00"),
)


def test_a_continuation_survives_its_own_form() -> None:
    assert parse(CONTINUATION.body()) == CONTINUATION


def test_a_continuation_of_another_release_has_what_it_did_not_tell_by_default() -> None:
    told = json.loads(CONTINUATION.body())
    del told["progress"]["asked_for"]
    assert parse(json.dumps(told)) == CONTINUATION


@pytest.mark.parametrize(
    "changes",
    [
        {"read": "many"},
        {"read": True},
        {"read": -1},
        {"written": 1.5},
        {"position": {"offset": "x"}},
        {"position": []},
        {"pieces": [1]},
        {"pieces": "ab"},
        {"first": 5},
        {"started_at": "yesterday"},
        {"started_at": "2026-01-01T00:00:00"},
        {"asked_for": 1},
        {"unheard": 1},
    ],
)
def test_a_continuation_whose_progress_has_another_form_is_poison(changes: dict[str, Any]) -> None:
    told = json.loads(CONTINUATION.body())
    with pytest.raises(PoisonError, match="no progress"):
        parse(json.dumps({**told, "progress": {**told["progress"], **changes}}))


NAMES = ["schema", "kind", "key", "source", "detail", "object", "bucket", "progress", "position", "pieces", "etag"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner | st.sampled_from(["pipeline.processing/1", "aws.s3", "object", "continuation", "sweep"]),
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(st.text() | JSON.map(json.dumps))
def test_no_message_makes_the_parser_fail_otherwise(body: str) -> None:
    with contextlib.suppress(PoisonError):
        parse(body)


def test_who_redrove_a_message_and_why_is_in_the_log(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.put(lines(1))
    told = {"redriven_by": {"stringValue": "arn:someone"}, "redriven_why": {"stringValue": "mended"}}
    cloud.function().process(event({**record(NOTICE), "messageAttributes": told}))
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"redriven"' in line]
    assert [(line["redriven_by"], line["redriven_why"]) for line in logged] == [("arn:someone", "mended")]
