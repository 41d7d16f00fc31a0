"""What release 1 wrote and another release has to read: messages, letters, contracts, checkpoints, states, results.

tests/recorded/README.md says what each document is. Each reader has one adapter here, so that a reader that moves
changes its import, and one that gets another form changes its adapter. What a test asserts of a document stays.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest.mock import patch

import pytest
from moto.s3.models import s3_backends

from pipeline_common.contracts import ProcessingOutputs, ReplicationOutputs, StorageOutputs
from pipeline_ops.playground import Playground
from pipeline_ops.process import FinishedRun
from pipeline_ops.routes.backfill import Backfill, Checkpoint, ItemsPart, ObjectsPart
from pipeline_ops.routes.dead_letters import DeadLetter, DeadLetterQueue, letter_of
from pipeline_ops.routes.drift_report import read_findings
from pipeline_ops.routes.reconciliation import Answer
from pipeline_ops.routes.release_1 import route_of_environment
from pipeline_ops.routes.route import SourceRoutes
from pipeline_ops.routes.selection import select
from processor_lambda import runs
from processor_lambda.notices import Continuation, ObjectNotice, Sweep
from processor_lambda.notices import parse as parse_processing
from processor_lambda.processor import NoticeAction
from processor_lambda.settings import ProcessorSettings
from queue_worker.dead_letters import Envelope, redriven
from replication_core.changes import KeysNotRecordedError
from replication_core.changes import parse as parse_notices
from replication_core.comparing.differences import item_differences, object_differences
from replication_core.comparing.findings import Finding
from replication_core.comparing.sides import Sides
from replication_core.datasets import ITEMS, OBJECTS, RecordKey
from replication_core.desired import desired_item
from replication_core.objects.heads import Absent, read_head
from replication_core.objects.states import ObjectState
from replication_core.replicas import is_replica
from replication_core.route_spec import RouteSpec, SourceDatasets
from tests.unit.processor_lambda.cloud import cloud as processor_cloud

RELEASE = Path(__file__).parents[1] / "recorded" / "release_1"
DOCUMENTS = sorted(path.relative_to(RELEASE).with_suffix("").as_posix() for path in RELEASE.rglob("*.json"))

OBJECT = OBJECTS.record("reports/2026/a b+%20\u00e9.txt")
ITEM = ITEMS.record("order-7", "1767225600.25")


def document(name: str) -> Any:
    """Return a recorded document, by its path in the release's folder."""
    return json.loads((RELEASE / f"{name}.json").read_text())


# The readers: an adapter of each

Source = TypeVar("Source", bound=SourceDatasets)


def notices(body: Any, *, bucket: str | None = None) -> list[tuple[RecordKey, str, datetime | None, bool]]:
    """Return what a message of a route's queue asks for: keys, each with the reason, since when, and whether unsure."""
    route = route_of(replicator_route("dev"), bucket=bucket)
    return [(each.key, each.reason, each.changed_at, each.unsure) for each in parse_notices(json.dumps(body), route)]


def asked_keys(body: Any, *, bucket: str, table: str) -> list[RecordKey]:
    """Return the keys that a route of this source reconciles for a message."""
    changes = parse_notices(json.dumps(body), route_of(replicator_route("dev"), bucket=bucket, table=table))
    return list(dict.fromkeys(change.key for change in changes))


def processing_notice(body: Any) -> ObjectNotice | Continuation | Sweep:
    return parse_processing(json.dumps(body))


def letter(name: str, queue: DeadLetterQueue) -> DeadLetter:
    return letter_of(document(f"dead_letters/{name}"), queue)


def storage(environment: str) -> StorageOutputs:
    return StorageOutputs.parse(document(f"contracts/storage_{environment}"))


def processing(environment: str) -> ProcessingOutputs:
    return ProcessingOutputs.parse(document(f"contracts/processing_{environment}"))


def replication(capture: str) -> ReplicationOutputs:
    return ReplicationOutputs.parse(document(f"contracts/replication_prod_{capture}"))


def no_client(service: str, /, **_: Any) -> Any:
    raise AssertionError(service)


def functions_client(service: str, /, **_: Any) -> Any:
    """Return what tells of the recorded functions, by the aliases that the recorded contract names."""
    targets = {route.alias_arn: target for target, route in replication("native").routes.items()}

    def get_function(*, FunctionName: str) -> Any:  # noqa: N803 - boto3's own name
        variables = document(f"functions/replicator_{targets[FunctionName]}")
        return {"Configuration": {"Environment": {"Variables": variables}}}

    assert service == "lambda"
    return SimpleNamespace(get_function=get_function)


def opened_replication() -> SourceRoutes:
    """Return what a command reads of the recorded contracts, and of the environments of the functions that they name.

    The release's contract tells a function's name, and its environment what its route is.
    """
    return SourceRoutes.of(storage("prod"), replication("native"), functions_client, storage)


def production_letters(*, bucket: str | None = None) -> DeadLetterQueue:
    """Return where the letters of production's dead-letter queue go back to, by the recorded contracts.

    A bucket stands for production's: that of a letter which was made in process.
    """
    queue = DeadLetterQueue.of(storage("prod"), processing("prod"), replication("native"), no_client)
    return replace(queue, source=route_of(queue.source, bucket=bucket))


def processors_letters(environment: str) -> DeadLetterQueue:
    """Return where the letters of an environment's processor go back to."""
    return DeadLetterQueue.of(storage(environment), processing(environment), None, no_client)


def replicator_route(target: str) -> RouteSpec:
    return route_of_environment(document(f"functions/replicator_{target}"))


def route_of(route: Source, *, bucket: str | None = None, table: str | None = None) -> Source:
    """Return the route with another bucket or table as its source: an event of another one is none of its own."""
    named = {OBJECTS.name: bucket, ITEMS.name: table}
    sources = [replace(each, source=named[each.dataset.name] or each.source) for each in route.datasets]
    return replace(route, datasets=tuple(sources))


def backfill(folder: Path, target: str, *, items: bool) -> Backfill:
    """Return the backfill that a command goes on with in this folder: all that the route replicates, or all items."""
    client: Any = SimpleNamespace(name="asked for nothing, since the parts are known")
    route = replicator_route(target)
    sides = Sides(route=route, source_s3=client, target_s3=client, source_dynamodb=client, target_dynamodb=client)
    return Backfill.open(sides, select(route, prefix=None, items=items), None, folder, resume=True)


def checkpoint(name: str, folder: Path) -> Checkpoint:
    path = folder / "checkpoint.json"
    path.write_text(json.dumps(document(f"checkpoints/{name}")))
    loaded = Checkpoint.load(path)
    assert loaded is not None
    return loaded


def object_state(described: Mapping[str, Any]) -> ObjectState:
    answer = {**described, "LastModified": datetime.fromisoformat(described["LastModified"])}
    client: Any = SimpleNamespace(head_object=lambda **_: answer)
    head = read_head(client, "bucket", "key")
    assert not isinstance(head, Absent)
    return ObjectState(head, tuple(sorted((tag["Key"], tag["Value"]) for tag in described["TagSet"])))


def findings(told: list[Any]) -> list[Finding]:
    return list(read_findings(map(json.dumps, told), replicator_route("dev")))


# Notices


WITHOUT_INSTANT: list[tuple[str, RecordKey, str]] = [
    ("object_asked_for", OBJECT, "manual"),
    ("item_asked_for", ITEM, "manual"),
    ("object_from_a_backfill", OBJECT, "backfill 13cc8a09"),
    ("item_from_a_backfill", ITEMS.record("archived-11", "1700000011.5"), "backfill 13cc8a09"),
]


@pytest.mark.parametrize(("name", "key", "reason"), WITHOUT_INSTANT)
def test_a_notice_of_what_somebody_asked_for_tells_no_time_of_change(name: str, key: RecordKey, reason: str) -> None:
    assert notices(document(f"notices/{name}")) == [(key, reason, None, False)]


def test_a_notice_of_the_notifier_tells_the_item_and_when_it_changed() -> None:
    ((key, reason, changed_at, unsure),) = notices(document("notices/item_from_the_notifier"))
    assert (key, reason, unsure) == (ITEMS.record("order-8", "1767225601"), "stream", False)
    assert changed_at is not None
    assert changed_at.date().isoformat() == "2026-11-27"


def test_a_notice_of_a_key_that_an_event_may_mean_is_read_as_unsure() -> None:
    when = datetime(2026, 11, 27, 21, 20, 44, 752000, UTC)
    assert notices(document("notices/object_unsure")) == [
        (OBJECTS.record("reports/gone.txt"), "Object Created", when, True)
    ]


@pytest.mark.parametrize(("kind", "key"), [("object", OBJECT), ("item", ITEM)])
def test_a_redriven_message_is_its_notice_and_tells_who_sent_it_back_and_why(kind: str, key: RecordKey) -> None:
    message = document(f"notices/{kind}_redriven_by_the_command")
    assert [each[0] for each in notices(json.loads(message["Body"]))] == [key]
    # As a function is handed it: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    told = {
        name: {"stringValue": each["StringValue"], "dataType": each["DataType"]}
        for name, each in message["MessageAttributes"].items()
    }
    assert list(redriven([{"messageId": "m", "messageAttributes": told}])) == [
        {"message_id": "m", "redriven_by": "arn:aws:iam::000000000000:root", "redriven_why": "the bucket is back"}
    ]


# Events of others, as a queue of release 1 may still hold them


def test_an_event_of_an_object_means_each_key_that_it_may_be_written_for() -> None:
    event = document("events/s3_object_created")
    assert [(str(key), reason, unsure) for key, reason, _, unsure in notices(event)] == [
        ("reports/2026/a b+%20\u00e9.txt", "Object Created", True),
        ("reports/2026/a b+ \u00e9.txt", "Object Created", True),
        ("reports/2026/a b  \u00e9.txt", "Object Created", True),
    ]
    assert OBJECT in asked_keys(event, bucket=storage("prod").bucket_name, table=storage("prod").table_name)


def test_an_event_of_a_deleted_object_means_its_one_key() -> None:
    ((key, reason, changed_at, unsure),) = notices(document("events/s3_object_deleted"))
    assert (key, reason, unsure) == (OBJECTS.record("reports/full-metadata.txt"), "Object Deleted", False)
    assert changed_at == datetime(2026, 11, 27, 21, 20, 44, 760000, UTC)


def test_s3s_own_notification_means_its_decoded_key_and_its_test_means_none() -> None:
    told = notices(document("events/s3_notification"), bucket="scratch-notifications")
    assert [each[:2] for each in told] == [(OBJECT, "ObjectCreated:Put")]
    assert notices(document("events/s3_test")) == []


RECORDED_CALLS: list[tuple[str, list[RecordKey]]] = [
    ("object_call", [OBJECTS.record("test.png")]),
    ("item_call", [ITEMS.record("No One You Know", "1700000001")]),
    ("items_call", [ITEMS.record("No One You Know", f"170000000{n}") for n in (2, 3, 4)]),
]


@pytest.mark.parametrize(("name", "keys"), RECORDED_CALLS)
def test_a_recorded_call_means_the_keys_that_it_names(name: str, keys: list[RecordKey]) -> None:
    event = document(f"events/cloudtrail_{name}")
    assert asked_keys(event, bucket="the-source", table="Music") == keys


def test_an_event_asks_a_processor_for_the_object() -> None:
    notice = processing_notice(document("events/s3_object_created_for_a_processor"))
    assert isinstance(notice, ObjectNotice)
    assert (notice.key, notice.others, notice.reason) == ("incoming/more orders.jsonl", (), "event")
    assert notice.bucket == storage("dev").bucket_name


# Dead letters


ROUTES_LETTERS = [
    ("replicator_object", "NoSuchBucket", "CopyObject: refused", [str(OBJECT)]),
    ("replicator_object_event", "NoSuchBucket", "CopyObject: refused", ["reports/gone.txt"]),
    ("replicator_unsure", "NoSuchBucket", "CopyObject: refused", ["reports/gone.txt"]),
    (
        "replicator_item",
        "ValidationException",
        "BatchWriteItem: Item size has exceeded the maximum allowed size",
        [str(ITEM)],
    ),
    (
        "replicator_redriven_and_given_up_again",
        "ValidationException",
        "BatchWriteItem: Item size has exceeded the maximum allowed size",
        [str(ITEM)],
    ),
    ("notifier", "AccessDenied", "SQS: refused", [str(ITEM)]),
]


@pytest.mark.parametrize(("name", "reason", "message", "keys"), ROUTES_LETTERS)
def test_a_routes_letter_says_its_target_reason_and_key_and_can_be_redriven(
    name: str, reason: str, message: str, keys: list[str]
) -> None:
    read = letter(name, production_letters(bucket="prod-data"))
    assert (read.target, read.reason, read.message, list(read.keys)) == ("dev", reason, message, keys)
    assert [str(key) for key, *_ in notices(json.loads(read.event or ""), bucket="prod-data")] == keys
    assert read.since.date().isoformat() == "2026-11-27"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("replicator_poison", "PoisonNotice"), ("replicator_keys_not_recorded", "KeysNotRecorded")],
)
def test_a_letter_of_what_names_no_key_is_shown_and_not_redriven(name: str, reason: str) -> None:
    read = letter(name, production_letters())
    assert (read.target, read.reason, read.keys, read.event) == ("dev", reason, (), None)


def test_a_recorded_call_without_its_keys_is_kept_whole_in_its_letter() -> None:
    body = json.loads(document("dead_letters/replicator_keys_not_recorded")["Body"])
    with pytest.raises(KeysNotRecordedError, match="DeleteObjects"):
        notices(body["event"])


PROCESSORS_LETTERS = [
    ("processor_failed_run", "FailedRun", ("incoming/cut off.jsonl.gz",), True),
    ("processor_event", "AccessDenied", ("incoming/refused.jsonl",), True),
    ("processor_continuation", "AccessDenied", ("incoming/orders.jsonl",), True),
    ("processor_sweep", "AccessDenied", (), True),
    ("processor_poison", "PoisonNotice", (), False),
]


@pytest.mark.parametrize(("name", "reason", "keys", "redrivable"), PROCESSORS_LETTERS)
def test_a_processors_letter_goes_back_to_the_processors_queue(
    name: str, reason: str, keys: tuple[str, ...], *, redrivable: bool
) -> None:
    read = letter(name, processors_letters("dev"))
    assert (read.target, read.reason, read.keys, read.event is not None) == ("dev", reason, keys, redrivable)


def test_a_letter_that_event_bridge_put_goes_back_to_the_queue_that_it_could_not_reach() -> None:
    read = letter("put_by_event_bridge", production_letters())
    assert (read.target, read.reason) == ("staging", "Undelivered")
    assert read.message == "NO_PERMISSIONS: Lack of permissions to invoke cross account target."
    assert str(OBJECT) in read.keys
    assert read.event is not None


def test_a_letter_that_the_redrive_policy_moved_goes_back_to_its_queue() -> None:
    read = letter("moved_by_the_redrive_policy", production_letters())
    assert (read.target, read.reason, read.keys) == ("dev", "Unfinished", ("order-8@1767225601",))
    assert read.event is not None


def test_a_letter_of_a_part_of_the_stream_names_no_key() -> None:
    read = letter("put_by_lambda_for_the_stream", production_letters())
    assert (read.target, read.reason, read.keys, read.event) == (None, "StreamGap", (), None)


ENVELOPES = [name for name in DOCUMENTS if name.startswith(("dead_letters/replicator", "dead_letters/processor"))]


@pytest.mark.parametrize("name", [*ENVELOPES, "dead_letters/notifier"])
def test_an_envelope_tells_what_its_messages_attributes_tell(name: str) -> None:
    message = document(name)
    envelope = Envelope.parse(json.loads(message["Body"]))
    assert envelope is not None
    told = {name: each["StringValue"] for name, each in message["MessageAttributes"].items()}
    assert told == {"target": envelope.target, "error_type": envelope.kind}


# Contracts, and what the functions are told


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_a_storages_contract_is_read_with_each_of_its_names(environment: str) -> None:
    outputs, told = storage(environment), document(f"contracts/storage_{environment}")
    assert (outputs.environment, outputs.region, outputs.account_id) == (environment, "us-east-1", "000000000000")
    names = ("bucket_name", "bucket_arn", "table_name", "table_arn", "table_stream_arn", "dlq_url", "dlq_arn")
    for name in (*names, "success_topic_arn", "failure_topic_arn"):
        assert outputs.exports()[name] == told[name] != "", name
    assert [each.dataset for each in outputs.datasets.values()] == [OBJECTS, ITEMS]


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_a_processings_contract_is_read_with_each_of_its_names(environment: str) -> None:
    outputs, told = processing(environment), document(f"contracts/processing_{environment}")
    assert (outputs.environment, outputs.input_prefix) == (environment, "incoming/")
    assert outputs.bucket_name == storage(environment).bucket_name
    assert outputs.process_replicas is (environment == "prod")
    assert bool(outputs.schedule_rule_name) is (environment != "dev")
    for name in ("lambda_function_name", "lambda_function_arn", "log_group_name", "queue_url", "queue_arn"):
        assert getattr(outputs, name) == told[name] != "", name
    assert len(outputs.alarm_names.split(",")) == 5


@pytest.mark.parametrize("capture", ["native", "cloudtrail"])
def test_the_replications_contract_has_a_route_for_each_target_by_either_capture(capture: str) -> None:
    outputs, told = replication(capture), document(f"contracts/replication_prod_{capture}")
    assert (outputs.environment, outputs.capture) == ("prod", capture)
    assert bool(outputs.notifier_function_name) is (capture == "native")
    assert bool(outputs.notifier_event_source_mapping_id) is (capture == "native")
    assert outputs.trail_name == ("" if capture == "native" else "replication-prod")
    assert list(outputs.routes) == ["dev", "staging"]
    for target, route in outputs.routes.items():
        for name in ("queue_url", "queue_arn", "function_name", "alias_arn", "event_source_mapping_id"):
            assert getattr(route, name) == told[f"{target}_{name}"] != "", name
        assert bool(route.verifier_function_name) is (target == "staging")


@pytest.mark.parametrize("capture", ["native", "cloudtrail"])
def test_the_one_rule_of_all_routes_is_looked_at_as_each_routes_own(capture: str) -> None:
    outputs = replication(capture)
    assert outputs.rule_name
    opened = SourceRoutes.of(storage("prod"), outputs, no_client, storage)
    assert {route.outputs.rule_name for route in opened.routes.values()} == {outputs.rule_name}


@pytest.mark.parametrize("target", ["dev", "staging"])
def test_a_deployed_route_is_told_its_source_its_target_and_its_rules(target: str) -> None:
    route = opened_replication().route(target).spec
    source, there = storage("prod"), storage(target)
    assert (route.target, route.source_environment) == (target, "prod")
    assert [(each.dataset, each.source, each.target) for each in route.routed] == [
        (OBJECTS, source.bucket_name, there.bucket_name),
        (ITEMS, source.table_name, there.table_name),
    ]
    assert (route.source_region, route.target_region) == (source.region, there.region)
    assert route.queue_url == replication("native").routes[target].queue_url
    assert route.dlq_url == source.dlq_url
    assert route.success_topic_arn == source.success_topic_arn
    assert route.failure_topic_arn == source.failure_topic_arn
    assert route.notifications == "each"
    assert route.wants(ITEM)
    assert route.wants(OBJECTS.record("anything"))
    assert not route.wants(OBJECTS.record("results/prod/unfinished/run/piece"))


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_a_deployed_processor_is_told_its_environments_stores(environment: str) -> None:
    settings = ProcessorSettings.from_env(document(f"functions/processor_{environment}"))
    assert (settings.environment, settings.bucket) == (environment, storage(environment).bucket_name)
    assert (settings.table, settings.dlq_url) == (storage(environment).table_name, storage(environment).dlq_url)
    assert (settings.queue_url, settings.input_prefix) == (processing(environment).queue_url, "incoming/")
    assert settings.process_replicas is (environment == "prod")
    assert [field.name for field in settings.schema] == ["amount", "quantity", "customer"]


@pytest.mark.parametrize("capture", ["native", "cloudtrail"])
def test_a_deployed_rule_names_the_source_that_it_is_of(capture: str) -> None:
    assert storage("prod").bucket_name in json.dumps(document(f"rules/{capture}"))
    assert (storage("prod").datasets["items"].arn in json.dumps(document(f"rules/{capture}"))) is (
        capture == "cloudtrail"
    )


def test_a_description_of_the_local_cloud_is_read_with_every_stacks_contract(tmp_path: Path) -> None:
    told = document("local_cloud")
    playground = Playground(tmp_path)
    with playground.held():
        playground.description.write_text(json.dumps(told))
        running = playground.running()
    assert running is not None
    assert (running.endpoint, running.pid) == ("http://127.0.0.1:4566", told["pid"])
    for environment in ("dev", "staging", "prod"):
        assert StorageOutputs.parse(told["stacks"][f"storage/{environment}"]) == storage(environment)
        assert ProcessingOutputs.parse(told["stacks"][f"processing/{environment}"]) == processing(environment)
    assert ReplicationOutputs.parse(told["stacks"]["replication/prod"]) == replication("native")


# Backfills


def test_a_backfill_that_has_begun_has_enqueued_nothing(tmp_path: Path) -> None:
    for name in ("backfill_objects_and_items_begun", "backfill_items_begun"):
        begun = checkpoint(name, tmp_path)
        assert (begun.enqueued, [part.done for part in begun.parts]) == (0, [False] * len(begun.parts))


def test_a_backfill_that_was_cut_off_goes_on_behind_the_last_key_of_each_part(tmp_path: Path) -> None:
    left = checkpoint("backfill_objects_and_items_cut_off", tmp_path)
    assert (left.run, left.enqueued) == ("13cc8a09", 42)
    assert left.saved > left.begun > datetime(2026, 11, 27, tzinfo=UTC)
    objects = [part for part in left.parts if isinstance(part, ObjectsPart)]
    items = [part for part in left.parts if isinstance(part, ItemsPart)]
    assert [(part.after, part.until, part.done) for part in objects] == [
        (None, "archive/", True),
        ("archive/19 \u00e9.txt", "reports/", False),
        ("reports/", "reports/2026/", True),
        (str(OBJECT), None, True),
    ]
    assert [(part.segment, part.of) for part in items] == [(segment, 8) for segment in range(8)]
    assert [part.segment for part in items if not part.done] == [4, 7]
    assert items[0].after == ("archived-4", "1700000004.5")


def test_a_backfill_of_items_alone_is_gone_on_with_too(tmp_path: Path) -> None:
    left = checkpoint("backfill_items_cut_off", tmp_path)
    assert (left.run, left.enqueued) == ("794475bd", 11)
    assert [part.after for part in left.parts if not part.done] == [None, ("order-8", "1767225601"), *[None] * 4]


def test_a_backfill_is_looked_for_where_it_was_left(tmp_path: Path) -> None:
    chosen_items = {"backfill_objects_and_items_cut_off": False, "backfill_items_cut_off": True}
    for name, file in document("checkpoints/file_names").items():
        (tmp_path / file).write_text(json.dumps(document(f"checkpoints/{name}")))
        left = backfill(tmp_path, "dev", items=chosen_items[name])
        assert (left.path.name, left.resumed) == (file, True)
        assert left.checkpoint == checkpoint(name, tmp_path)


# Processing


def test_an_object_that_is_asked_for_is_processed_again() -> None:
    asked = processing_notice(document("processing/object_asked_for"))
    assert isinstance(asked, ObjectNotice)
    assert (asked.key, asked.version_id, asked.asked_for) == ("incoming/more orders.jsonl", None, True)


def test_an_object_that_a_sweep_found_is_asked_for_by_its_version() -> None:
    found = processing_notice(document("processing/object_found_by_a_sweep"))
    assert isinstance(found, ObjectNotice)
    assert (found.key, found.version_id) == ("incoming/missed-1 \u00e9.jsonl", "a139f4da-34e7-41e2-bdb0-e205f87e7360")
    assert (found.reason, found.asked_for) == ("sweep", False)


def test_a_sweep_begins_anew_or_goes_on_where_it_was() -> None:
    assert processing_notice(document("processing/sweep")) == Sweep()
    assert processing_notice(document("processing/sweep_continued")) == Sweep("incoming/missed-1 \u00e9.jsonl", 2)


def test_a_continuation_tells_how_far_its_run_has_come() -> None:
    told = processing_notice(document("processing/continuation"))
    assert isinstance(told, Continuation)
    assert (told.key, told.encoding) == ("incoming/orders.jsonl", "json-lines")
    progress = told.progress
    assert (progress.position.offset, progress.position.line, progress.invocations) == (84, 4, 1)
    assert (progress.read, progress.valid, progress.rejected, progress.written) == (3, 2, 1, 2)
    assert (progress.first, progress.last, progress.asked_for) == ("0", "1", True)
    assert progress.pieces == ("000000000000-000000000003.rejected",)


OF_THE_TIME = {"started_at", "finished_at", "duration_ms", "invocations", "last_modified"}


def _lasting(summary: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in summary.items() if name not in OF_THE_TIME}


@pytest.mark.parametrize("message", ["continuation", "continuation_of_a_continuation"])
def test_a_run_that_is_under_way_is_gone_on_with_to_the_same_end(message: str) -> None:
    left = document("processing/unfinished_run")
    with processor_cloud() as cloud, patch.object(runs, "BLOCK_RECORDS", 10):
        file = left["input"]
        cloud.put("".join(f"{line}\n" for line in file["lines"]).encode(), file["key"])
        # The version's name is part of the run's, and moto chooses it.
        s3_backends["123456789012"]["aws"].buckets["data"].keys[file["key"]]._version_id = file["version_id"]
        for each in left["objects"]:
            lines = "".join(json.dumps(line) + "\n" for line in each.get("lines", ())).encode()
            body = base64.b64decode(each["base64"]) if "base64" in each else lines
            cloud.clients.s3.put_object(Bucket="data", Key=each["key"], Body=body, ContentType=each["content_type"])
        outcome = cloud.processor().process(processing_notice(document(f"processing/{message}")))
        assert outcome.action is NoticeAction.PROCESSED
        assert outcome.summary is not None
        expected = document("processing/summary_of_many_invocations")
        # What earlier invocations put is counted in the message: the table is empty here.
        assert _lasting(outcome.summary) == _lasting(expected)
        assert outcome.summary["started_at"] == expected["started_at"]
        assert outcome.summary["invocations"] == (2 if message == "continuation" else 3)
        assert outcome.read == 37 - (3 if message == "continuation" else 4)
        assert cloud.rejected("incoming/orders.jsonl") == [
            (1, "not JSON, at character 1 of the record"),
            (32, "not JSON, at character 1 of the record"),
        ]
        assert not cloud.keys("results/dev/unfinished/")


def test_a_summary_stands_and_is_not_written_again() -> None:
    told = document("processing/summary")
    with processor_cloud() as cloud:
        cloud.clients.s3.put_object(Bucket="data", Key=f"results/dev/{told['run']}.json", Body=json.dumps(told))
        assert cloud.processor().results.find(told["run"]) == told
        assert cloud.processor().results.write(told) == told
    run = FinishedRun(told)
    assert run.succeeded
    assert run.sentence() == (
        "incoming/orders.csv: 3 read, 1 valid, 2 rejected, 1 written (0.0 s); "
        "rejected records: rejected/incoming/orders.csv.jsonl"
    )
    assert document("processing/latest") == told


def test_a_failed_runs_summary_says_why() -> None:
    run = FinishedRun(document("processing/summary_of_a_failed_run"))
    assert not run.succeeded
    assert "failed: the gzip stream ends too early" in run.sentence()


def test_a_later_input_becomes_the_latest_and_an_earlier_one_does_not() -> None:
    told = document("processing/latest")
    with processor_cloud() as cloud:
        results = cloud.processor().results
        cloud.clients.s3.put_object(Bucket="data", Key="results/dev/latest.json", Body=json.dumps(told))
        results.publish({**told, "run": "earlier", "last_modified": "2025-01-01T00:00:00.000+00:00"})
        assert cloud.json("results/dev/latest.json") == told
        results.publish({**told, "run": "later", "last_modified": "2027-01-01T00:00:00.000+00:00"})
        assert cloud.json("results/dev/latest.json")["run"] == "later"


def test_rejected_records_tell_their_line_and_reason_and_the_run_that_they_are_of() -> None:
    told, summary = document("processing/rejected"), document("processing/summary")
    assert (told["key"], told["metadata"]) == (summary["rejected_key"], {"run": summary["run"]})
    assert [(each["line"], each["record"], each["reason"]) for each in told["lines"]] == [
        (3, 2, "the field 'timestamp' is not a number"),
        (4, 3, "the field 'id' is missing"),
    ]


def test_a_processed_item_names_its_environment_beside_the_records_fields() -> None:
    item = document("processing/item")
    assert item["environment"] == {"S": "dev"}
    assert (item["id"], item["timestamp"], item["amount"]) == ({"S": "o-1"}, {"N": "1767225600"}, {"N": "12.5"})


# Replicas


@pytest.mark.parametrize("name", ["object", "object_without_room_in_metadata"])
def test_a_replica_of_an_object_is_known_as_one_and_is_equal_to_its_source(name: str) -> None:
    told = document(f"replicas/{name}")
    source, replica = object_state(told["source"]), object_state(told["replica"])
    assert is_replica(dict(replica.head.metadata), lambda: dict(replica.tags))
    assert not is_replica(dict(source.head.metadata), lambda: dict(source.tags))
    bucket = storage("prod").bucket_name
    assert object_differences(source, replica, bucket=bucket, key=OBJECTS.record(told["key"]), environment="prod") == ()


def test_a_replica_of_an_item_is_equal_to_its_source_but_for_what_tells_its_origin() -> None:
    told = document("replicas/item")
    assert told["replica"]["replicatedFrom"] == {"S": "prod"}
    wanted = desired_item(told["source"], ITEMS, source="prod", target="dev")
    assert wanted
    assert item_differences(wanted, told["replica"], ITEMS) == ()


# What people and their programs read


def test_the_answer_of_a_deployed_route_is_understood() -> None:
    (copied,), (deleted,) = document("answers/replicator_copied"), document("answers/replicator_deleted")
    answer = Answer.of("dev", copied)
    assert answer is not None
    assert (answer.key, answer.action, answer.size, answer.failed) == (str(OBJECT), "copied", 8, False)
    answer = Answer.of("dev", deleted)
    assert answer is not None
    assert (answer.key, answer.action, answer.failed) == ("never@1", "deleted", False)


def test_the_answers_of_a_verifier_and_of_a_processor_by_hand_are_counts() -> None:
    assert document("answers/verifier") == {"compared": 16, "drifted": 0}
    told = document("answers/processor_by_hand")
    assert (told["looked_at"], told["all_looked_at"], told["latest"]) == (1, True, "results/dev/latest.json")


def test_a_report_of_drift_is_read_back_finding_by_finding() -> None:
    found = findings(document("reports/verify"))
    assert [(each.key, each.verdict.value, each.own) for each in found] == [
        (OBJECT, "different", False),
        (OBJECTS.record("reports/full-metadata.txt"), "extra", False),
        (OBJECTS.record("reports/own.txt"), "extra", True),
        (OBJECTS.record("archive/00 \u00e9.txt"), "missing", False),
        (ITEMS.record("archived-11", "1700000011.5"), "missing", False),
        (ITEMS.record("o-1", "1767225600"), "extra", True),
    ]
    assert found[0].what == ("size", "provenance", "tag 'class'")
    assert (found[0].size, found[1].source) == (12, None)


def test_exported_letters_are_the_letters_that_they_were() -> None:
    queue = production_letters()
    for told in document("reports/redrive_export"):
        read = letter_of({"MessageId": told["id"], "Body": told["body"]}, queue)
        exported = read.exported()
        assert exported.pop("release") == ""  # which a former release's letter does not say
        assert {**exported, "since": told["since"]} == told


NOTIFICATIONS: list[tuple[str, str, Callable[[Any], object], object]] = [
    ("failure_of_an_object", "pipeline.failure/1", lambda told: told["change"]["key"], str(OBJECT)),
    ("failure_of_a_message", "pipeline.failure/1", lambda told: told["change"], {"kind": "message", "id": "m"}),
    ("failed_batch", "pipeline.failed_batch/1", lambda told: told["reasons"], {"PoisonNotice": 1, "NoSuchBucket": 1}),
    ("batch", "pipeline.batch/1", lambda told: [told[n] for n in ("changes", "objects", "deletes")], [3, 2, 1]),
]


@pytest.mark.parametrize(("name", "schema", "of", "expected"), NOTIFICATIONS)
def test_a_notification_names_its_form_and_can_be_filtered_by_its_target(
    name: str, schema: str, of: Callable[[Any], object], expected: object
) -> None:
    published = document(f"notifications/{name}")
    told = json.loads(published["Message"])
    assert (told["schema"], told["target"], of(told)) == (schema, "dev", expected)
    assert published["MessageAttributes"] == {"target": {"Type": "String", "Value": "dev"}}


# The documents themselves


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_recorded_document_is_ascii_and_holds_no_secret(name: str) -> None:
    text = (RELEASE / f"{name}.json").read_text(encoding="ascii")
    assert text == json.dumps(json.loads(text), indent=2) + "\n"
    assert "SecretAccessKey" not in text
    for secret in _values(json.loads(text), "aws_secret_access_key"):
        assert secret == "..."


def _values(told: Any, name: str) -> list[Any]:
    inner = told.values() if isinstance(told, dict) else told if isinstance(told, list) else ()
    own = [told[name]] if isinstance(told, dict) and name in told else []
    return [*own, *(value for each in inner for value in _values(each, name))]
