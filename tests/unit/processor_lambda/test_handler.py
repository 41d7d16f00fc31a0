"""The function: what becomes of each message, and who is told."""

import contextlib
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from hypothesis import given
from hypothesis import strategies as st

from processor_lambda.notices import Continuation, ObjectNotice, Progress, parse
from processor_lambda.processor import NoticeAction
from processor_lambda.sweep import Sweeper, SweepPage
from queue_worker.messages import UnknownEventError
from replication_core.aws.errors import StoreError
from replication_core.message_fields import PoisonError
from tests.unit.processor_lambda.cloud import KEY, Cloud, Send, lines, record, refusal

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
        "release": "v1.4.0",
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


def s3_event(key: str, version: str | None = None) -> str:
    object_ = {"key": key, **({"version-id": version} if version else {})}
    detail = {"bucket": {"name": "data"}, "object": object_}
    return json.dumps({"source": "aws.s3", "detail-type": "Object Created", "detail": detail})


def test_an_events_key_is_taken_in_each_reading() -> None:
    notice = ObjectNotice(key="incoming/a.csv", version_id="v", reason="event", bucket="data")
    assert parse(s3_event("incoming/a.csv", "v")) == notice
    readings = ("incoming/a++.csv", "incoming/a +.csv")
    assert parse(s3_event("incoming/a+%2B.csv", "v")) == replace(notice, key="incoming/a+%2B.csv", others=readings)


HARD_KEYS = ["a b", "a+b", "100%", "é", "a&b?c#d", "(x)!*'", "%41", "a%2Bb"]
WRITTEN: dict[str, Callable[[str], str]] = {
    "as they are": str,
    "percent-encoded": quote,
    "percent-encoded whole": lambda key: quote(key, safe=""),
    "as in a form": quote_plus,
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("versions", [True, False])
def test_a_file_is_processed_however_its_key_is_written_in_events(
    cloud: Cloud, written: Callable[[str], str], *, versions: bool
) -> None:
    cloud.with_settings(input_prefix="in box/")
    keys = {f"in box/{name}.jsonl" for name in HARD_KEYS}
    for key in sorted(keys):
        version = cloud.put(lines(1), key)
        message = record(s3_event(written(key), version if versions else None))
        assert failed(cloud.function().process(event(message))) == []
    assert {outcome.action for outcome in cloud.drain()} <= {NoticeAction.ALREADY}
    assert {cloud.json(summary)["key"] for summary in cloud.keys("results/dev/")} == keys
    assert len(cloud.keys("results/dev/")) == len(keys) + 1
    assert cloud.take(cloud.settings.dlq_url) == []


def test_of_two_files_that_an_event_may_mean_both_are_processed(cloud: Cloud) -> None:
    for key in ("incoming/a+b.jsonl", "incoming/a b.jsonl"):
        cloud.put(lines(1), key)
    cloud.function().process(event(record(s3_event("incoming/a+b.jsonl"))))
    (outcome,) = cloud.drain()
    assert (outcome.action, outcome.key) == (NoticeAction.PROCESSED, "incoming/a b.jsonl")
    assert len(cloud.keys("results/dev/")) == 3
    assert cloud.take(cloud.settings.dlq_url) == []


@pytest.mark.parametrize(
    ("good", "neighbour"),
    [("incoming/a+b.jsonl", "incoming/a b.jsonl"), ("incoming/a b.jsonl", "incoming/a+b.jsonl")],
)
def test_a_file_is_processed_also_where_another_that_its_event_may_mean_can_not_be_looked_at(
    cloud: Cloud, good: str, neighbour: str
) -> None:
    cloud.put(lines(1), neighbour)
    version = cloud.put(lines(1), good)

    def denied(operation: str, request: AWSPreparedRequest, send: Send) -> AWSResponse | None:
        return refusal("400", 400)(operation, request, send) if quote(neighbour) in str(request.url) else send()

    cloud.fault_for = lambda operation: denied if operation == "s3.HeadObject" else None
    assert failed(cloud.function().process(event(record(s3_event("incoming/a+b.jsonl", version))))) == []
    assert cloud.json("results/dev/latest.json")["key"] == good
    (message,) = cloud.take(cloud.settings.queue_url)
    assert message["key"] == neighbour


def test_at_its_last_receive_an_event_marks_the_file_that_it_means_and_no_other(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.put(lines(1), "incoming/a b.jsonl")
    of_another = s3_event("incoming/a+b.jsonl").replace('"data"', '"other"').replace("a+b", "a b")
    cloud.function().process(event(record(of_another, attempts=10)))
    assert cloud.keys("results/") == set()

    def crash(_self: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("processor_lambda.runs.Run.work", crash)
    with pytest.raises(KeyboardInterrupt):
        cloud.function().process(event(record(s3_event("incoming/a+b.jsonl"), attempts=10)))
    assert cloud.json("results/dev/latest.json")["key"] == "incoming/a b.jsonl"


def test_a_file_that_is_gone_in_each_reading_is_no_dead_letter(cloud: Cloud) -> None:
    assert failed(cloud.function().process(event(record(s3_event("incoming/a+b.jsonl", "v"))))) == []
    assert cloud.take(cloud.settings.dlq_url) == []


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
    ("changes", "reason"),
    [
        ({"key": None}, "no text as 'key'"),
        ({"key": ""}, "has 0 bytes"),
        ({"etag": 1}, "'etag' is not text"),
        ({"progress": None}, "no progress"),
    ],
)
def test_a_poisoned_continuation_says_what_is_wrong_with_it(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(PoisonError, match=reason):
        parse(json.dumps({**json.loads(CONTINUATION.body()), **changes}))


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


def test_an_invocation_by_hand_processes_what_waits_and_answers_with_counts(cloud: Cloud) -> None:
    cloud.put(lines(2), "incoming/a.jsonl")
    cloud.put(lines(3, start=2) + b"bad", "incoming/b.jsonl")
    cloud.put(b"[1", "incoming/c.json")
    cloud.summary(lines(1, start=9), "incoming/0.jsonl")
    answer = cloud.function().process({}, 60_000)
    assert answer == {
        "environment": "dev",
        "looked_at": 4,
        "all_looked_at": True,
        "processed": 3,
        "failed": 1,
        "continued": 0,
        "enqueued": 0,
        "given_up": 1,
        "unreadable": [],
        "read": 7,
        "rejected": 2,
        "written": 5,
        "latest": "results/dev/latest.json",
    }
    assert len(cloud.items()) == 6
    assert cloud.json("results/dev/latest.json")["key"] in {"incoming/a.jsonl", "incoming/b.jsonl", "incoming/c.json"}
    (letter,) = cloud.take(cloud.settings.dlq_url)
    assert letter["event"]["key"] == "incoming/c.json"
    assert cloud.take(cloud.settings.queue_url) == []
    again = cloud.function().process({}, 60_000)
    assert (again["looked_at"], again["processed"], again["enqueued"]) == (4, 0, 0)


def test_what_an_invocation_by_hand_has_no_time_for_goes_on_by_the_queue(cloud: Cloud) -> None:
    cloud.put(lines(2), "incoming/a.jsonl")
    cloud.put(lines(2), "incoming/b.jsonl")
    answer = cloud.function().process({}, 0)
    assert (answer["processed"], answer["enqueued"], answer["all_looked_at"]) == (0, 2, False)
    cloud.drain()
    assert len(cloud.items()) == 2
    assert cloud.json("results/dev/latest.json")["key"] == "incoming/b.jsonl"


def test_what_fails_in_an_invocation_by_hand_has_its_further_tries_in_the_queue(cloud: Cloud) -> None:
    cloud.put(lines(2))
    cloud.fault_for = lambda operation: refusal("InternalServerError", 500) if "BatchWrite" in operation else None
    answer = cloud.function().process({}, 60_000)
    assert (answer["processed"], answer["enqueued"], answer["given_up"]) == (0, 1, 0)
    (body,) = cloud.take(cloud.settings.queue_url)
    assert body["key"] == KEY


def test_what_is_given_up_by_hand_is_a_dead_letter_also_where_the_rest_can_not_be_queued(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.put(gzip.compress(lines(5))[:-9], "incoming/a.jsonl.gz")
    function = cloud.function()
    monkeypatch.setattr(function.processor.deadline, "passed", lambda: bool(cloud.keys("results/")))

    def refused(operation: str, request: AWSPreparedRequest, send: Send) -> AWSResponse | None:
        body: Any = request.body
        to_the_queue = json.loads(body)["QueueUrl"] == cloud.settings.queue_url
        return refusal("AccessDenied", 403)(operation, request, send) if to_the_queue else send()

    cloud.fault_for = lambda operation: refused if operation == "sqs.SendMessageBatch" else None
    with pytest.raises(StoreError, match="refused"):
        function.process({})
    (letter,) = cloud.take(cloud.settings.dlq_url)
    assert letter["event"]["key"] == "incoming/a.jsonl.gz"


def test_what_is_given_up_by_hand_is_a_dead_letter_also_where_the_rest_can_not_be_listed(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.put(gzip.compress(lines(5))[:-9], "incoming/a.jsonl.gz")
    original = Sweeper.pages

    def pages(self: Sweeper, after: str = "") -> Iterator[SweepPage]:
        yield from original(self, after)
        raise StoreError("InternalError", "ListObjectsV2: refused")

    monkeypatch.setattr(Sweeper, "pages", pages)
    with pytest.raises(StoreError, match="refused"):
        cloud.function().process({})
    (letter,) = cloud.take(cloud.settings.dlq_url)
    assert letter["event"]["key"] == "incoming/a.jsonl.gz"


@pytest.mark.parametrize(
    "event",
    [
        {"Records": []},
        {"Records": None},
        {"Records": {}},
        {"Records": [{}]},
        {"Records": ["x"]},
        {"Records": [{"messageId": "m", "receiptHandle": "r", "body": None}]},
        {"Records": [{"eventSource": "aws:s3", "s3": {"object": {"key": "incoming/a.csv"}}}]},
        {"key": "incoming/a.csv"},
        {"source": "aws.s3", "detail": {}},
        [],
        None,
        "{}",
        7,
    ],
)
def test_any_other_event_is_an_error_that_names_the_forms(cloud: Cloud, event: Any) -> None:
    cloud.put(lines(1))
    with pytest.raises(UnknownEventError, match=r"nothing was done: .*\{\}, by hand, .*; .*Records.*queue"):
        cloud.function().process(event)
    assert cloud.items() == {}
