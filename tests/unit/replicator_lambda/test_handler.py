"""A route's function: what becomes of each message, and who is told."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from aws_lambda_powertools.logging import Logger

from queue_worker.messages import Message, UnknownEventError, backoff_seconds
from replication_core.changes import message, parse
from replication_core.datasets import ITEMS, OBJECTS, Dataset
from replication_core.masking.mask import Mask
from replication_core.route_spec import NOTIFICATIONS, RouteSpec
from replicator_lambda.batch import Batch
from replicator_lambda.handler import RouteFunction
from tests.made_datasets import BLOBS, FILES, ORDERS, TABLES, numbered
from tests.made_policies import item_policy, policy
from tests.made_route import MadeRoute
from tests.unit.replication_core.cloud import (
    Cloud,
    item_notice,
    object_notice,
    record,
    refusal,
    unreadable_instant,
)

SECRET = "the-data-itself"


def event(*records: dict[str, Any]) -> dict[str, Any]:
    return {"Records": list(records)}


def failed(answer: dict[str, Any]) -> list[str]:
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def metrics_of(text: str) -> dict[str, Any]:
    """Return the one embedded metric document among the lines written."""
    (document,) = [json.loads(line) for line in text.splitlines() if line.startswith('{"_aws"')]
    assert isinstance(document, dict)
    return document


def delays(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Return what is asked of the queue, by receipt, as it is asked."""
    asked: dict[str, int] = {}

    def change(**arguments: Any) -> Any:
        asked.update((each["ReceiptHandle"], each["VisibilityTimeout"]) for each in arguments["Entries"])
        return {}

    monkeypatch.setattr(cloud.clients.sqs, "change_message_visibility_batch", change)
    return asked


def test_a_batch_of_objects_and_items_is_replicated_and_told_once(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.put("a", b"12345")
    cloud.put_item("i", secret={"S": SECRET})
    answer = cloud.route().process(
        event(
            record(object_notice("a"), id_="1"),
            record(item_notice("i"), id_="2"),
            record(item_notice("gone"), id_="3"),
        )
    )
    assert answer == {"batchItemFailures": []}
    assert cloud.replica("a") == cloud.source_object("a")
    assert cloud.replica_item("i") == cloud.source_item("i")
    (told,) = cloud.notifications()
    assert told["attributes"] == {"target": "dev"}
    assert {name: told[name] for name in ("schema", "target", "changes", "objects", "items", "deletes", "bytes")} == {
        "schema": "pipeline.batch/1",
        "target": "dev",
        "changes": 3,
        "objects": 1,
        "items": 2,
        "deletes": 1,
        "bytes": 5,
    }
    assert cloud.letters() == []
    assert SECRET not in capsys.readouterr().out


def test_notices_of_one_key_are_one_change(cloud: Cloud) -> None:
    cloud.put("a")
    cloud.route().process(event(*[record(object_notice("a"), id_=str(number)) for number in range(5)]))
    assert cloud.calls.count("s3.CopyObject") == 1


def test_successes_are_not_told_where_only_failures_are_wanted(cloud: Cloud) -> None:
    cloud.with_settings(notifications="failures")
    cloud.put("a")
    cloud.route().process(event(record(object_notice("a")), record("poison", id_="p")))
    assert [told["schema"] for told in cloud.notifications()] == ["pipeline.failure/1"]


def a_success_and_three_failures(cloud: Cloud) -> None:
    cloud.put("a")
    for key in ("cold", "colder"):
        cloud.put(key, StorageClass="GLACIER")
    objects = [record(object_notice(key), id_=key) for key in ("a", "cold", "colder")]
    cloud.route().process(event(*objects, record(object_notice("cold"), id_="again"), record("poison", id_="p")))


def test_the_failures_of_a_batch_are_one_message_with_counts_by_reason_where_batches_are_told(cloud: Cloud) -> None:
    cloud.with_settings(notifications="batch")
    a_success_and_three_failures(cloud)
    told = {message["schema"]: message for message in cloud.notifications()}
    assert set(told) == {"pipeline.batch/1", "pipeline.failed_batch/1"}
    failures = told["pipeline.failed_batch/1"]
    assert failures.pop("timestamp").endswith("+00:00")
    assert failures == {
        "schema": "pipeline.failed_batch/1",
        "target": "dev",
        "changes": 3,
        "notices": 4,
        "reasons": {"Archived": 2, "PoisonNotice": 1},
        "attributes": {"target": "dev"},
    }
    assert (told["pipeline.batch/1"]["changes"], told["pipeline.batch/1"]["failed"]) == (1, 2)
    assert len(cloud.letters()) == 4


@pytest.mark.parametrize("mode", NOTIFICATIONS)
def test_a_batch_without_failures_tells_the_failure_topic_nothing(cloud: Cloud, mode: str) -> None:
    cloud.with_settings(notifications=mode)
    cloud.put("a")
    cloud.route().process(event(record(object_notice("a"))))
    assert {told["schema"] for told in cloud.notifications()} <= {"pipeline.batch/1"}


@pytest.mark.parametrize(
    ("mode", "schemas"),
    [
        ("each", ["pipeline.batch/1", *["pipeline.failure/1"] * 3]),
        ("batch", ["pipeline.batch/1", "pipeline.failed_batch/1"]),
        ("failures", ["pipeline.failure/1"] * 3),
    ],
)
def test_a_subscriber_gets_the_messages_of_the_target_that_it_filters_by(
    cloud: Cloud, mode: str, schemas: list[str]
) -> None:
    cloud.with_settings(notifications=mode)
    dev, staging = (cloud.subscriber(target=[target]) for target in ("dev", "staging"))
    a_success_and_three_failures(cloud)
    assert sorted(told["schema"] for told in cloud.notifications(dev)) == schemas
    assert cloud.notifications(staging) == []


def test_only_the_failed_messages_come_back_each_after_its_delay(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = delays(cloud, monkeypatch)
    cloud.put("a")
    cloud.put_item("i")
    cloud.fault_for = lambda operation: refusal("SlowDown", 503) if operation == "s3.CopyObject" else None
    answer = cloud.route().process(
        event(
            record(item_notice("i"), id_="item"),
            *[record(object_notice("a"), id_=f"try-{attempts}", attempts=attempts) for attempts in range(1, 7)],
        )
    )
    assert failed(answer) == [f"try-{attempts}" for attempts in range(1, 6)]
    assert asked == {
        "receipt-try-1": 1,
        "receipt-try-2": 2,
        "receipt-try-3": 4,
        "receipt-try-4": 8,
        "receipt-try-5": 16,
    }
    (letter,) = cloud.letters()
    assert (letter["attempts"], letter["error"]["type"]) == (6, "SlowDown")


def test_the_delays_double_up_to_sixteen_seconds() -> None:
    assert [backoff_seconds(attempts) for attempts in range(8)] == [1, 1, 2, 4, 8, 16, 16, 16]


def test_an_envelope_has_the_notice_the_reason_the_target_and_the_release(cloud: Cloud) -> None:
    cloud.put("cold", StorageClass="GLACIER")
    notice = object_notice("cold")
    answer = cloud.route().process(event(record(notice, attempts=2)))
    assert failed(answer) == []
    queue = cloud.settings.dlq_url
    (message,) = cloud.clients.sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"])["Messages"]
    attributes = {name: each["StringValue"] for name, each in message["MessageAttributes"].items()}
    assert attributes == {"target": "dev", "error_type": "Archived"}
    letter = json.loads(message["Body"])
    assert letter.pop("timestamp").endswith("+00:00")
    assert letter == {
        "schema": "pipeline.envelope/1",
        "event": json.loads(notice),
        "error": {"type": "Archived", "message": "the object is archived and not restored"},
        "attempts": 2,
        "target": "dev",
        "release": "v1.4.0",
    }
    (told,) = cloud.notifications()
    assert told["attributes"] == {"target": "dev"}
    assert told["change"] == {"kind": "object", "key": "cold"}
    assert told["error"]["type"] == "Archived"


def test_each_notice_that_is_given_up_has_its_envelope_and_each_change_one_notification(cloud: Cloud) -> None:
    cloud.put("cold", StorageClass="GLACIER")
    cloud.route().process(event(*[record(object_notice("cold"), id_=str(number)) for number in range(12)]))
    assert len(cloud.letters()) == 12
    (told,) = cloud.notifications()
    assert told["notices"] == 12


def test_poison_goes_to_the_dead_letter_queue_at_once_and_delays_nobody(cloud: Cloud) -> None:
    cloud.put("a")
    answer = cloud.route().process(
        event(
            record("not json", id_="1"),
            record('{"who": "knows"}', id_="2"),
            record(object_notice("a"), id_="3"),
        )
    )
    assert failed(answer) == []
    letters = cloud.letters()
    assert [letter["event"] for letter in letters] == ["not json", {"who": "knows"}]
    assert {letter["error"]["type"] for letter in letters} == {"PoisonNotice"}
    assert cloud.replica("a") is not None


def test_an_event_of_another_bucket_is_poison(cloud: Cloud) -> None:
    other = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": "elsewhere"}, "object": {"key": "a"}},
    }
    cloud.route().process(event(record(json.dumps(other))))
    (letter,) = cloud.letters()
    assert "elsewhere" in letter["error"]["message"]
    assert "s3.HeadObject" not in cloud.calls


HARD_KEYS = ["a b", "a+b", "100%", "é", "a&b?c#d", "(x)!*'", "%41", "a%2Bb"]
WRITTEN: dict[str, Callable[[str], str]] = {
    "as they are": str,
    "percent-encoded": quote,
    "percent-encoded whole": lambda key: quote(key, safe=""),
    "as in a form": quote_plus,
}


def s3_event(cloud: Cloud, key: str, what: str = "Object Created") -> str:
    detail = {"bucket": {"name": cloud.settings.source_bucket}, "object": {"key": key}}
    return json.dumps({"source": "aws.s3", "detail-type": what, "detail": detail, "time": "2026-01-01T00:00:00Z"})


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_objects_arrive_and_go_however_their_keys_are_written_in_events(
    cloud: Cloud, written: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    keys = [f"in/{key}" for key in HARD_KEYS]
    for key in keys:
        cloud.put(key, key.encode())
        route = cloud.route()
        assert failed(route.process(event(record(s3_event(cloud, written(key)))))) == []
    assert cloud.keys(cloud.settings.target_bucket) == set(keys)
    for key in keys:
        assert cloud.replica(key) == cloud.source_object(key)
        cloud.remove(key)
        cloud.route().process(event(record(s3_event(cloud, written(key), "Object Deleted"))))
        assert cloud.replica(key) is None
    assert cloud.letters() == []
    versions = cloud.clients.target_s3.list_object_versions(Bucket=cloud.settings.target_bucket)
    assert {each["Key"] for each in versions["DeleteMarkers"]} == set(keys), "and no marker of what never was"
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"reconciled"' in line]
    assert {line["key"] for line in told if line["outcome"] != "ignored"} == set(keys)


def put_own(cloud: Cloud, key: str, **options: Any) -> None:
    """Put an object into the target that the route did not make."""
    cloud.clients.target_s3.put_object(Bucket=cloud.settings.target_bucket, Key=key, Body=b"own", **options)


@pytest.mark.parametrize("written", ["reports/2026+01.csv", "reports/2026%2001.csv"])
@pytest.mark.parametrize("options", [{}, {"Tagging": "a=b", "Metadata": {"c": "d"}}])
def test_an_event_of_one_key_leaves_the_targets_own_object_of_another_reading_alone(
    cloud: Cloud, written: str, options: dict[str, Any]
) -> None:
    put_own(cloud, "reports/2026 01.csv", **options)
    cloud.put(written)
    assert failed(cloud.route().process(event(record(s3_event(cloud, written))))) == []
    cloud.remove(written)
    cloud.route().process(event(record(s3_event(cloud, written, "Object Deleted"))))
    assert cloud.keys(cloud.settings.target_bucket) == {"reports/2026 01.csv"}
    assert cloud.letters() == []


def test_a_replica_is_deleted_by_an_event_of_another_spelling_also_where_its_mark_is_a_tag(cloud: Cloud) -> None:
    cloud.put("a b", Metadata={"k": "v" * 2040})
    cloud.route().process(event(record(s3_event(cloud, "a+b"))))
    cloud.remove("a b")
    cloud.route().process(event(record(s3_event(cloud, "a+b", "Object Deleted"))))
    assert cloud.keys(cloud.settings.target_bucket) == set()


@pytest.mark.parametrize("operation", ["s3.HeadObject", "s3.GetObjectTagging"])
def test_what_can_not_be_looked_at_is_not_deleted_on_a_guess_nor_when_its_letter_is_redriven(
    cloud: Cloud, operation: str
) -> None:
    put_own(cloud, "a b")
    cloud.put("a+b")
    target = cloud.settings.target_bucket

    def refuses(called: str, request: Any, send: Any) -> Any:
        asked = target in request.url and "%20" in request.url
        return refusal("AccessDenied", 403)(called, request, send) if asked else send()

    cloud.fault_for = lambda called: refuses if called == operation else None
    assert failed(cloud.route().process(event(record(s3_event(cloud, "a+b"))))) == ["m"]
    cloud.route().process(event(record(s3_event(cloud, "a+b"), attempts=6)))
    cloud.fault_for = lambda _: None
    (letter,) = cloud.letters()
    cloud.route().process(event(record(json.dumps(letter["event"]))))
    assert cloud.keys(cloud.settings.target_bucket) == {"a b", "a+b"}


def test_a_reading_that_s3_refuses_to_look_for_is_no_key_of_the_event(cloud: Cloud) -> None:
    cloud.put("%2E%2E/x")
    assert failed(cloud.route().process(event(record(s3_event(cloud, "%2E%2E/x"))))) == []
    assert [request.url for request in cloud.requests if "/../" in request.url] == []
    assert cloud.keys(cloud.settings.target_bucket) == {"%2E%2E/x"}


def test_an_ordinary_key_costs_no_call_more_and_one_in_another_spelling_two(cloud: Cloud) -> None:
    for key in ("plain", "a b"):
        cloud.put(key)
    for key, heads in (("plain", 1), ("a%20b", 1 + 2 + 1)):
        with cloud.recording() as calls:
            cloud.route().process(event(record(s3_event(cloud, key))))
        assert (calls.count("s3.HeadObject"), calls.count("s3.CopyObject")) == (heads, 1), key


def test_each_reading_of_a_key_is_replicated_or_not_by_the_routes_own_rules(cloud: Cloud) -> None:
    cloud.with_settings(object_include=("in box/",), object_exclude=("in box/out/",))
    for key in ("in box/a", "in box/out/b", "in%20box/a"):
        cloud.put(key)
        cloud.route().process(event(record(s3_event(cloud, quote_plus(key)))))
    assert cloud.keys(cloud.settings.target_bucket) == {"in box/a"}


def test_of_an_event_that_may_mean_several_keys_the_letter_names_the_one_that_failed(cloud: Cloud) -> None:
    cloud.put("a b", StorageClass="GLACIER")
    assert failed(cloud.route().process(event(record(s3_event(cloud, "a%20b"))))) == []
    (letter,) = cloud.letters()
    assert letter["error"]["type"] == "Archived"
    assert [str(notice.key) for notice in parse(json.dumps(letter["event"]), cloud.settings.spec)] == ["a b"]
    (told,) = cloud.notifications()
    assert told["change"] == {"kind": "object", "key": "a b"}


def test_of_an_event_of_which_no_reading_could_be_looked_at_the_letter_has_all_of_it(cloud: Cloud) -> None:
    cloud.put("a b")
    cloud.fault_for = lambda operation: refusal("AccessDenied", 403) if operation == "s3.HeadObject" else None
    cloud.route().process(event(record(s3_event(cloud, "a%20b"), attempts=6)))
    cloud.fault_for = lambda _: None
    (letter,) = cloud.letters()
    assert letter["event"] == json.loads(s3_event(cloud, "a%20b"))


def test_a_message_whose_envelope_cannot_be_sent_is_not_done(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = delays(cloud, monkeypatch)
    cloud.fault_for = lambda operation: refusal("InternalError", 500) if operation == "sqs.SendMessageBatch" else None
    answer = cloud.route().process(event(record("poison", id_="p", attempts=7)))
    assert failed(answer) == ["p"]
    assert asked == {"receipt-p": 16}
    cloud.fault_for = lambda _: None
    assert cloud.notifications() == []


def test_topics_and_delays_that_fail_lose_nothing(cloud: Cloud) -> None:
    cloud.put("a")
    cloud.fault_for = lambda operation: (
        refusal("InternalError", 500)
        if operation in {"sns.PublishBatch", "sqs.ChangeMessageVisibilityBatch", "dynamodb.BatchGetItem"}
        else None
    )
    answer = cloud.route().process(
        event(
            record(object_notice("a"), id_="object"),
            record("poison", id_="poison"),
            record(item_notice("i"), id_="item"),
        )
    )
    assert failed(answer) == ["item"]
    cloud.fault_for = lambda _: None
    assert len(cloud.letters()) == 1


def test_keys_that_the_route_excludes_are_done_without_a_call(cloud: Cloud) -> None:
    cloud.with_settings(object_include=("in/",), object_exclude=("in/out/",), replicate_items=False)
    for key in ("in/a", "in/out/b", "c"):
        cloud.put(key)
    cloud.put_item("i")
    with cloud.recording() as calls:
        answer = cloud.route().process(
            event(
                *[record(object_notice(key), id_=key) for key in ("in/a", "in/out/b", "c")],
                record(item_notice("i"), id_="i"),
            )
        )
    assert failed(answer) == []
    assert calls.count("s3.HeadObject") == 1
    assert not any(call.startswith("dynamodb.") for call in calls)
    assert cloud.keys(cloud.settings.target_bucket) == {"in/a"}


def test_what_the_time_does_not_suffice_for_comes_back(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = delays(cloud, monkeypatch)
    cloud.put("a")
    answer = cloud.route().process(event(record(object_notice("a"), attempts=8)), remaining_ms=0)
    assert failed(answer) == ["m"]
    assert asked == {"receipt-m": 1}
    assert cloud.letters() == []
    assert "s3.HeadObject" not in cloud.calls


def test_a_deadline_passes_before_the_time_is_used_up() -> None:
    from replication_core.deadline import Deadline

    now = 100.0
    deadline = Deadline(lambda: now)
    assert not deadline.passed()
    deadline.start(300_000)
    now = 100 + 284
    assert not deadline.passed()
    now = 100 + 285
    assert deadline.passed()
    deadline.start(None)
    assert not deadline.passed()


def test_metrics_are_the_targets_and_once_more_its_releases(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "anything")
    cloud.put("a", b"123")
    created = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "time": "2020-01-01T00:00:00Z",
        "detail": {"bucket": {"name": cloud.settings.source_bucket}, "object": {"key": "a"}},
    }
    cloud.route().process(
        event(record(json.dumps(created)), record("poison", id_="p"), record(item_notice("i"), id_="i"))
    )
    document = metrics_of(capsys.readouterr().out)
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "DataPipeline/Replication"
    assert directive["Dimensions"] == [["target"], ["target", "release"]]
    assert (document["target"], document["release"]) == ("dev", "v1.4.0")
    assert document["ReplicatedChanges"] == [2.0]
    assert document["ReplicatedBytes"] == [3.0]
    assert document["ReplicatedDeletes"] == [1.0]
    assert document["ReplicationFailures"] == [1.0]
    assert document["ReplicationRereads"] == [0.0]
    (latency,) = document["ReplicationLatency"]
    assert latency > 365 * 86_400 * 1000
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert units["ReplicationLatency"] == "Milliseconds"


def test_metrics_of_more_than_a_hundred_changes_are_all_written(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    notice = {"schema": "pipeline.notice/1", "kind": "item", "timestamp": "1", "reason": "r"}
    records = [
        record(json.dumps(notice | {"id": str(number), "changed_at": "2026-01-01T00:00:00Z"}), id_=str(number))
        for number in range(230)
    ]
    cloud.route().process(event(*records))
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"')]
    assert sum(len(document.get("ReplicationLatency", [])) for document in documents) == 230
    assert [document["ReplicatedChanges"] for document in documents if "ReplicatedChanges" in document] == [[230.0]]
    assert all(document["target"] == "dev" for document in documents)


def test_a_fault_of_the_program_fails_its_key_alone_and_quotes_no_data(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    delays(cloud, monkeypatch)
    cloud.put("a")
    cloud.put_item("i")

    def broken(**_: Any) -> Any:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(cloud.clients.source_dynamodb, "batch_get_item", broken)
    answer = cloud.route().process(
        event(record(object_notice("a"), id_="a"), record(item_notice("i"), id_="i", attempts=6))
    )
    assert failed(answer) == []
    (letter,) = cloud.letters()
    assert letter["error"]["type"] == "RuntimeError"
    assert SECRET not in json.dumps(letter) + capsys.readouterr().out
    assert cloud.replica("a") is not None


def test_a_source_that_can_not_be_read_fails_alone_with_its_reason(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays(cloud, monkeypatch)
    for key in ("a", "b"):
        cloud.put(key)
    cloud.fault_for = unreadable_instant("a")
    records = [record(object_notice(key), id_=key, attempts=6) for key in ("a", "b")]
    assert failed(cloud.route().process(event(*records))) == []
    (letter,) = cloud.letters()
    assert letter["event"]["key"] == "a"
    assert letter["error"]["message"].startswith("HeadObject: the answer can't be read")
    assert cloud.replica("b") is not None


def test_an_item_that_the_program_stumbles_over_fails_alone(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for id_ in ("a", "b", "c"):
        cloud.put_item(id_)
    original = Dataset.of_item

    def stumbles(dataset: Dataset, item: Any) -> Any:
        if item["id"]["S"] == "b":
            raise RuntimeError
        return original(dataset, item)

    monkeypatch.setattr(Dataset, "of_item", stumbles)
    records = [record(item_notice(id_), id_=id_, attempts=6) for id_ in ("a", "b", "c")]
    assert failed(cloud.route().process(event(*records))) == []
    (letter,) = cloud.letters()
    assert (letter["event"]["id"], letter["error"]["type"]) == ("b", "RuntimeError")
    assert [cloud.replica_item(id_) is not None for id_ in ("a", "b", "c")] == [True, False, True]


def test_a_message_that_the_program_stumbles_over_is_buried_alone(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.put("a")

    def stumbles(body: str, route: RouteSpec) -> Any:
        if body == "odd":
            raise RuntimeError(SECRET)
        return parse(body, route)

    monkeypatch.setattr("replicator_lambda.handler.parse", stumbles)
    answer = cloud.route().process(event(record("odd", id_="odd"), record(object_notice("a"), id_="a")))
    assert failed(answer) == []
    (letter,) = cloud.letters()
    assert (letter["event"], letter["error"]["type"]) == ("odd", "RuntimeError")
    assert SECRET not in json.dumps(letter)
    assert cloud.replica("a") is not None


S3_NOTIFICATION = {"Records": [{"eventSource": "aws:s3", "s3": {"object": {"key": "a"}}}]}


@pytest.mark.parametrize(
    "unknown",
    [{}, {"Records": []}, {"Records": {}}, {"Records": ["a"]}, {"key": "a"}, S3_NOTIFICATION, [], None, "text", 5],
)
def test_an_event_of_no_known_form_is_an_error_that_names_those_there_are(cloud: Cloud, unknown: Any) -> None:
    with pytest.raises(UnknownEventError) as refused:
        cloud.route().process(unknown)
    for form in ("nothing was done", "messageId", '"kind": "object"', '"kind": "item"'):
        assert form in str(refused.value)


def test_logs_are_structured_and_name_the_key_and_the_release(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.put("a+b/ü", SECRET.encode(), Metadata={"m": SECRET}, Tagging=f"t={SECRET}")
    cloud.route().process(event(record(object_notice("a+b/ü"))))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"reconciled"' in line]
    (line,) = lines
    assert (line["key"], line["outcome"], line["target"], line["kind"]) == ("a+b/ü", "copied", "dev", "object")
    assert line["release"] == "v1.4.0"
    assert SECRET not in json.dumps(lines)


def test_a_refusal_is_told_at_once_by_the_rules_path_and_line_and_by_nothing_of_the_record(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.with_policy(policy({"items": item_policy()}))
    cloud.put_item("kind", n={"M": {SECRET: {"S": SECRET}}})
    unknown: Any = {SECRET: {"S": SECRET}}
    cloud.put_item("name", **unknown)
    cloud.put_item("value", n={"S": f"{SECRET}@example.com"})
    ids = ("kind", "name", "value")
    records = [record(item_notice(id_), id_=id_) for id_ in ids]
    assert failed(cloud.route().process(event(*records))) == []
    letters = cloud.letters()
    told = cloud.notifications()
    said = {each["event"]["id"]: each["error"] for each in letters}
    assert said.keys() == set(ids)
    assert {error["type"] for error in said.values()} == {"Unclassified"}
    assert {each["attempts"] for each in letters} == {1}
    assert "n, policy line 11" in said["kind"]["message"]
    assert "n, policy line 11" in said["value"]["message"]
    output = capsys.readouterr()
    assert not [text for text in (json.dumps([letters, told]), output.out, output.err) if SECRET in text]


@pytest.mark.parametrize("broken", [RuntimeError, KeyError])
def test_a_fault_of_a_mask_tells_nothing_of_the_record(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, broken: type[Exception]
) -> None:
    def fail(_mask: Any, item: Any, _dataset: Any) -> Any:
        raise broken(repr(item))

    monkeypatch.setattr(Mask, "item", fail)
    cloud.with_policy(policy({"items": item_policy()}))
    cloud.put_item("one", n={"S": SECRET})
    assert failed(cloud.route().process(event(record(item_notice("one"), attempts=6)))) == []
    (letter,) = cloud.letters()
    assert letter["error"]["type"] == broken.__name__
    output = capsys.readouterr()
    assert not [text for text in (json.dumps(letter), output.out, output.err) if SECRET in text]


def test_a_source_that_never_rests_comes_back(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = delays(cloud, monkeypatch)
    cloud.put("a")

    def overwrite(operation: str) -> None:
        if operation == "s3.CopyObject":
            cloud.put("a")

    cloud.fault_for = overwrite
    assert failed(cloud.route().process(event(record(object_notice("a"))))) == ["m"]
    assert asked == {"receipt-m": 1}


def test_the_entry_point_builds_its_route_once_from_its_archive(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    from replicator_lambda import handler

    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 30_000

    monkeypatch.setattr(handler, "read_route", lambda: cloud.settings.spec)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    built: list[RouteFunction] = []
    build = RouteFunction.build

    def keep(*arguments: Any) -> RouteFunction:
        built.append(build(*arguments))
        return built[-1]

    monkeypatch.setattr(RouteFunction, "build", keep)
    handler._route.cache_clear()
    try:
        for key in ("a", "b"):
            cloud.put(key)
            assert handler.handle(event(record(object_notice(key))), Context()) == {"batchItemFailures": []}
    finally:
        handler._route.cache_clear()
    assert len(built) == 1
    assert isinstance(built[0].worker.logger, Logger)
    assert cloud.keys(cloud.settings.target_bucket) == {"a", "b"}
    config: Any = built[0].clients.source_s3.meta.config
    assert config.max_pool_connections == 64
    assert built[0].clients.source_s3 is built[0].clients.target_s3
    assert built[0].replicator.reconcile([OBJECTS.record("a")])


def test_what_no_invocation_had_time_for_is_given_up_with_that_reason_before_the_queue_gives_it_up(
    cloud: Cloud,
) -> None:
    cloud.put("a")
    waiting = event(
        record(object_notice("a"), id_="8th", attempts=8), record(object_notice("a"), id_="9th", attempts=9)
    )
    answer = cloud.route().process(waiting, remaining_ms=0)
    assert failed(answer) == ["8th"]
    (letter,) = cloud.letters()
    assert letter["error"] == {"type": "NotStarted", "message": "9 invocations had no time for it"}
    assert [told["schema"] for told in cloud.notifications()] == ["pipeline.failure/1"]


def test_what_came_back_most_often_is_worked_on_first() -> None:
    records = [record(object_notice(f"try-{tries}"), id_=str(tries), attempts=tries) for tries in (1, 3, 2)]
    spec = MadeRoute(source_bucket="prod", source_table="prod").spec
    keys = Batch({Message.from_record(each): parse(each["body"], spec) for each in records}).keys()
    assert [str(key) for key in keys] == ["try-3", "try-2", "try-1"]


def test_each_failed_key_of_one_message_is_told_and_its_envelope_is_one(cloud: Cloud) -> None:
    bucket = {"name": cloud.settings.source_bucket}
    records = [
        {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {"bucket": bucket, "object": {"key": key}}}
        for key in ("a", "b", "fine")
    ]
    for key in ("a", "b", "fine"):
        cloud.put(key)
    cloud.fault_for = lambda operation: refusal("AccessDenied", 403) if operation == "s3.CopyObject" else None
    answer = cloud.route().process(event(record(json.dumps({"Records": records}), attempts=6)))
    assert failed(answer) == []
    (letter,) = cloud.letters()
    assert letter["event"] == {"Records": records}
    assert sorted(told["change"]["key"] for told in cloud.notifications()) == ["a", "b", "fine"]


# One message of many keys


@pytest.mark.parametrize("dataset", [FILES, *TABLES], ids=lambda dataset: dataset.name)
def test_a_message_of_many_keys_is_done_when_all_are(cloud: Cloud, dataset: Dataset) -> None:
    if dataset != ITEMS:
        cloud.add(dataset)
    keys = [numbered(dataset, number) for number in range(10 if dataset.is_bucket else 100)]
    for key in keys[::2]:
        cloud.put_record(key)
    assert failed(cloud.route().process(event(record(message(keys, "test"))))) == []
    assert cloud.letters() == []
    assert all(cloud.replica_record(key) == cloud.source_record(key) for key in keys)
    assert cloud.replica_record(keys[0]) is not None


def test_of_a_message_of_many_keys_the_others_are_replicated_at_once_and_it_comes_back(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.add(FILES, ORDERS)
    files, orders = ([numbered(dataset, number) for number in range(3)] for dataset in (FILES, ORDERS))
    for key in (*files, *orders):
        cloud.put_record(key)
    asked = delays(cloud, monkeypatch)
    copies = [refusal("SlowDown", 503)]
    cloud.fault_for = lambda operation: copies.pop() if operation == "s3.CopyObject" and copies else None
    records = [record(message(files, "test"), id_="files"), record(message(orders, "test"), id_="orders")]
    route = cloud.route(threads=1)
    assert failed(route.process(event(*records))) == ["files"]
    assert asked == {"receipt-files": 1}
    assert [cloud.replica_record(key) is not None for key in (*files, *orders)] == [False, *[True] * 5]
    assert failed(route.process(event(records[0]))) == []
    assert cloud.replica_record(files[0]) == cloud.source_record(files[0])
    assert cloud.letters() == []


@pytest.mark.parametrize("count", [1, 2])
def test_of_a_message_of_many_keys_each_that_failed_is_told_and_its_letter_mends_them(cloud: Cloud, count: int) -> None:
    cloud.add(BLOBS)
    keys = [numbered(BLOBS, number) for number in range(100)]
    for key in keys:
        cloud.put_record(key)
    too_large = keys[10 : 10 + count]
    for key in too_large:
        cloud.put_record(key, large={"S": "x" * 404_950})
    assert failed(cloud.route().process(event(record(message(keys, "test"))))) == []
    assert [key for key in keys if cloud.replica_record(key) is None] == too_large
    told = [each for each in cloud.notifications() if "change" in each]
    assert [each["change"] for each in told] == [key.document() for key in too_large]
    for key in too_large:
        cloud.put_record(key)
    (letter,) = cloud.letters()
    assert letter["event"]["keys"] == [key.named for key in too_large]
    assert failed(cloud.route().process(event(record(json.dumps(letter["event"]))))) == []
    assert all(cloud.replica_record(key) == cloud.source_record(key) for key in keys)


def test_a_message_of_keys_of_a_dataset_that_the_source_does_not_have_is_poison(cloud: Cloud) -> None:
    assert failed(cloud.route().process(event(record(message([numbered(ORDERS, 1)], "test"))))) == []
    (letter,) = cloud.letters()
    assert (letter["error"]["type"], "orders" in letter["error"]["message"]) == ("PoisonNotice", True)


def test_a_message_nested_too_deep_is_poison_and_delays_nobody(cloud: Cloud) -> None:
    cloud.put("a")
    answer = cloud.route().process(event(record("[" * 100_000, id_="deep"), record(object_notice("a"), id_="a")))
    assert failed(answer) == []
    assert cloud.replica("a") is not None
    (letter,) = cloud.letters()
    assert letter["error"]["type"] == "PoisonNotice"


# Asked for one key


def test_a_notice_itself_is_answered_with_what_became_of_its_key(cloud: Cloud) -> None:
    cloud.put("a+b", b"12345")
    answer = cloud.route().answer(json.loads(object_notice("a+b")))
    assert answer == [{"key": "a+b", "action": "copied", "size": 5, "rereads": 0, "error": None}]
    assert cloud.replica("a+b") == cloud.source_object("a+b")


def test_who_asks_is_told_of_a_failure_and_nobody_else(cloud: Cloud) -> None:
    cloud.put("cold", StorageClass="GLACIER")
    (answer,) = cloud.route().answer(json.loads(object_notice("cold")))
    assert answer["action"] == "failed"
    assert answer["error"] == {"type": "Archived", "message": "the object is archived and not restored"}
    assert cloud.letters() == []
    assert cloud.notifications() == []


def test_who_redrove_a_message_and_why_is_in_the_log(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    told = {"redriven_by": {"stringValue": "arn:someone"}, "redriven_why": {"stringValue": "mended"}}
    cloud.route().process(event({**record(object_notice("a")), "messageAttributes": told}))
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"redriven"' in line]
    assert [(line["redriven_by"], line["redriven_why"]) for line in logged] == [("arn:someone", "mended")]
