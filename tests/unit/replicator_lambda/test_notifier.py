"""The stream's changes on every route's queue."""

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from queue_worker.messages import UnknownEventError
from replication_core.changes import Change, parse
from replication_core.datasets import ITEMS, Dataset, KeyAttribute, KeyType, Kind, RecordKey
from replication_core.route_spec import RoutedDataset
from replicator_lambda.notifier import Notifier, NotifierError, build_notifier, changes
from tests.unit.replication_core.cloud import Cloud


def change(
    id_: str, timestamp: str = "1", *, name: str = "MODIFY", at: float = 1_700_000_000, table: str = "prod-data"
) -> dict[str, Any]:
    return {
        "eventID": "1",
        "eventName": name,
        "eventSource": "aws:dynamodb",
        "eventSourceARN": f"arn:aws:dynamodb:eu-west-1:123456789012:table/{table}/stream/2026-01-01T00:00:00.000",
        "dynamodb": {
            "ApproximateCreationDateTime": at,
            "Keys": {"id": {"S": id_}, "timestamp": {"N": timestamp}},
            "SequenceNumber": "100",
            "StreamViewType": "KEYS_ONLY",
        },
    }


def notifier(cloud: Cloud, *names: str) -> Notifier:
    urls = [cloud.clients.sqs.create_queue(QueueName=name)["QueueUrl"] for name in names]
    routes = [replace(cloud.settings, target=name, queue_url=url).spec for name, url in zip(names, urls, strict=True)]
    return build_notifier(routes, cloud.clients.sqs)


def found_in(records: list[dict[str, Any]]) -> tuple[list[Change], int]:
    return changes(records, lambda table: ITEMS if table == "prod-data" else None)


def received(cloud: Cloud, queue_url: str) -> list[RecordKey]:
    keys: list[RecordKey] = []
    for message in cloud._take(queue_url):
        (notice,) = parse(json.dumps(message), cloud.settings.spec)
        assert not notice.key.dataset.is_bucket
        keys.append(notice.key)
    return keys


def test_every_change_reaches_every_queue_by_tens(cloud: Cloud) -> None:
    subject = notifier(cloud, "dev", "staging")
    with cloud.recording() as calls:
        subject.process({"Records": [change(f"ü+{number}") for number in range(25)]})
    assert calls.count("sqs.SendMessageBatch") == 6
    for route in subject.routes:
        assert sorted(received(cloud, route.spec.queue_url)) == sorted(
            ITEMS.record(f"ü+{number}", "1") for number in range(25)
        )


def test_a_routes_notices_are_sent_at_the_same_time(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    subject, together = notifier(cloud, "dev"), threading.Barrier(10, timeout=10)
    send = cloud.clients.sqs.send_message_batch

    def wait_for_the_others(**call: Any) -> Any:
        together.wait()
        return send(**call)

    monkeypatch.setattr(cloud.clients.sqs, "send_message_batch", wait_for_the_others)
    subject.process({"Records": [change(f"{number}") for number in range(100)]})
    assert len(received(cloud, subject.routes[0].spec.queue_url)) == 100


def test_changes_of_one_key_are_one_notice_with_the_last_instant() -> None:
    records = [
        change("a", "100", name="INSERT", at=1_700_000_000),
        change("a", "1E+2", at=1_700_000_001),
        change("a", "100", name="REMOVE", at=1_700_000_002),
    ]
    (found,), unreadable = found_in(records)
    assert found.key == ITEMS.record("a", "100")
    assert found.changed_at == datetime.fromtimestamp(1_700_000_002, UTC)
    assert unreadable == 0


def test_a_removal_by_time_to_live_is_a_change_like_any_other() -> None:
    record = change("a", name="REMOVE") | {"userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}
    (found,), _ = found_in([record])
    assert found.key == ITEMS.record("a", "1")


def test_a_queue_that_is_gone_holds_up_no_other_route_and_its_notices_are_dead_letters(cloud: Cloud) -> None:
    subject = notifier(cloud, "first", "gone", "last")
    cloud.clients.sqs.delete_queue(QueueUrl=subject.routes[1].spec.queue_url)
    subject.process({"Records": [change("a")]})
    for position in (0, 2):
        assert received(cloud, subject.routes[position].spec.queue_url) == [ITEMS.record("a", "1")]
    (letter,) = cloud._take(cloud.settings.dlq_url)
    assert letter["target"] == "gone"
    assert "NonExistentQueue" in letter["error"]["type"]
    assert parse(json.dumps(letter["event"]), cloud.settings.spec)[0].key == ITEMS.record("a", "1")


def test_a_notice_that_no_queue_takes_fails_the_batch(cloud: Cloud) -> None:
    subject = notifier(cloud, "first", "gone")
    cloud.clients.sqs.delete_queue(QueueUrl=subject.routes[1].spec.queue_url)
    cloud.clients.sqs.delete_queue(QueueUrl=cloud.settings.dlq_url)
    with pytest.raises(NotifierError, match="gone nor the dead-letter queue took 1 of 1 notices"):
        subject.process({"Records": [change("a")]})
    assert received(cloud, subject.routes[0].spec.queue_url) == [ITEMS.record("a", "1")]


def test_only_the_entries_that_a_queue_refuses_are_dead_letters(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = notifier(cloud, "dev")
    send = cloud.clients.sqs.send_message_batch
    refused: Any = {"Successful": [{"Id": "0"}]}
    refused |= {"Failed": [{"Id": "1", "Code": "Throttled", "SenderFault": False, "Message": "slow down"}]}

    def refuse(**call: Any) -> Any:
        return refused if call["QueueUrl"] == subject.routes[0].spec.queue_url else send(**call)

    monkeypatch.setattr(cloud.clients.sqs, "send_message_batch", refuse)
    subject.process({"Records": [change("a"), change("b")]})
    (letter,) = cloud._take(cloud.settings.dlq_url)
    assert letter["event"]["id"] == "b"
    assert letter["error"] == {"type": "Throttled", "message": "SQS: slow down"}


def test_a_record_without_the_tables_key_fails_the_batch_after_the_others_were_sent(cloud: Cloud) -> None:
    subject = notifier(cloud, "dev")
    other: dict[str, Any] = {**change("x"), "dynamodb": {"Keys": {"pk": {"S": "x"}}}}
    elsewhere = change("y", table="others")
    with pytest.raises(NotifierError, match="2 records have no key of a table that is replicated"):
        subject.process({"Records": [other, elsewhere, change("a")]})
    assert received(cloud, subject.routes[0].spec.queue_url) == [ITEMS.record("a", "1")]


@pytest.mark.parametrize("unknown", [{}, {"Records": []}, {"Records": "text"}, {"records": [{}]}, [], None])
def test_an_event_of_no_known_form_is_an_error_that_names_the_one_there_is(cloud: Cloud, unknown: Any) -> None:
    with pytest.raises(UnknownEventError, match=r'nothing was done.*"Records".*as a stream has it'):
        notifier(cloud).process(unknown)


@pytest.mark.parametrize("when", ["soon", 1e300, float("nan"), {}])
def test_an_odd_instant_makes_one_record_unreadable_and_no_other(when: Any) -> None:
    good, odd = change("a"), change("b")
    odd["dynamodb"]["ApproximateCreationDateTime"] = when
    found, unreadable = found_in([odd, good])
    assert ([str(notice.key) for notice in found], unreadable) == (["a@1"], 1)


def test_the_entry_point_serves_the_routes_of_its_archive(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    from replicator_lambda import notifier as module

    monkeypatch.setattr(module, "read_routes", lambda: [cloud.settings.spec])
    for name, value in {
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    module._notifier.cache_clear()
    try:
        module.handle({"Records": [change("a")]}, None)
    finally:
        module._notifier.cache_clear()
    assert received(cloud, cloud.settings.queue_url) == [ITEMS.record("a", "1")]


def test_a_tables_changes_reach_the_routes_that_replicate_it_and_no_other(cloud: Cloud) -> None:
    orders = Dataset("orders", Kind.TABLE, (KeyAttribute("pk", KeyType.STRING),))
    urls = [cloud.clients.sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("with", "without")]
    routes = [
        replace(
            cloud.settings,
            queue_url=url,
            others=(RoutedDataset(dataset=orders, source="prod-orders", target=target),),
        ).spec
        for url, target in zip(urls, ("dev-orders", ""), strict=True)
    ]
    record = change("a", table="prod-orders")
    record["dynamodb"]["Keys"] = {"pk": {"S": "a"}}
    build_notifier(routes, cloud.clients.sqs).process({"Records": [record]})
    assert [message["keys"] for message in cloud._take(urls[0])] == [[{"pk": "a"}]]
    assert cloud._take(urls[1]) == []
