"""Faults at any request of any handler run: nothing is lost, the rest is done, and the reason is in the queue."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from queue_worker.messages import MAX_ATTEMPTS
from replication_core.aws.clients import client_config
from replication_core.changes import Change, message, parse
from replication_core.datasets import ITEMS, OBJECTS, RecordKey
from replication_core.message_fields import PoisonError
from tests.made_datasets import BLOBS, CUSTOMERS, FILES, ORDERS, OTHERS, numbered
from tests.unit.replication_core.cloud import (
    Cloud,
    Fault,
    answered,
    empty_success,
    item_notice,
    object_notice,
    record,
    refusal,
    timeout_after_effect,
    unprocessed,
)
from tests.unit.replication_core.cloud import cloud as fresh_cloud

MIB = 1024**2
FAULTS: dict[str, Fault] = {
    "slow down": refusal("SlowDown", 503),
    "throughput exceeded": refusal("ProvisionedThroughputExceededException", 400),
    "internal error": refusal("InternalError", 500),
    "timeout after the effect": timeout_after_effect,
    "unprocessed": unprocessed,
    "empty success": empty_success,
}
EMPTY_BY_NATURE = {"s3.DeleteObject", "s3.PutObjectTagging", "s3.HeadBucket", "s3.AbortMultipartUpload"}
"""Whose success has nothing in it to be seen."""

OURS = ("s3.", "dynamodb.", "sqs.SendMessageBatch", "sns.")


def applies(name: str, operation: str) -> bool:
    """Tell whether a service can fail so."""
    if name == "unprocessed":
        return operation.startswith("dynamodb.Batch")
    if name == "empty success":
        return operation not in EMPTY_BY_NATURE
    return name != "throughput exceeded" or operation.startswith("dynamodb.")


class Queue:
    """A queue that gives messages out again until they are done."""

    def __init__(self, bodies: list[str]) -> None:
        self.waiting = {str(number): body for number, body in enumerate(bodies)}
        self.attempts = dict.fromkeys(self.waiting, 0)

    def deliver(self, process: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Deliver all that wait once; a handler that raises leaves them waiting."""
        for id_ in self.waiting:
            self.attempts[id_] += 1
        records = [record(body, id_=id_, attempts=self.attempts[id_]) for id_, body in self.waiting.items()]
        answer = process({"Records": records})
        kept = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        self.waiting = {id_: body for id_, body in self.waiting.items() if id_ in kept}


CHANGED = (
    *(OBJECTS.record(key) for key in ("deleted", "overwritten", "tagged", "large")),
    *(ITEMS.record(id_, "1") for id_ in ("0", "1", "2", "removed")),
    FILES.record("overwritten"),
    *(numbered(table, number) for table in (ORDERS, CUSTOMERS, BLOBS) for number in range(3)),
)


def populate(cloud: Cloud) -> list[str]:
    """Change the source in every way, over replicas that are behind, and return the notices."""
    cloud.add(*OTHERS)
    for bucket, name in (("dev-data", "deleted"), ("dev-data", "overwritten"), ("dev-files", "overwritten")):
        cloud.clients.target_s3.put_object(Bucket=bucket, Key=name, Body=b"behind")
    cloud.put("overwritten", b"new")
    cloud.put("tagged", Tagging="a=b")
    cloud.put("large", b"x" * 6 * MIB)
    stale = [ITEMS.record("removed", "1"), *(numbered(table, 0) for table in (ORDERS, CUSTOMERS, BLOBS))]
    for key in CHANGED:
        if key in stale:
            table = cloud.routed(key.dataset).target
            cloud.clients.target_dynamodb.put_item(TableName=table, Item=key.attributes())
        elif key.dataset != OBJECTS:
            cloud.put_record(key)
    apart = [Change(key, "test").body() for key in CHANGED if key.dataset in (OBJECTS, ITEMS, FILES)]
    together = [[key for key in CHANGED if key.dataset == table] for table in (ORDERS, CUSTOMERS, BLOBS)]
    return [*apart, *(message(keys, "test") for keys in together), "poison"]


def behind(cloud: Cloud) -> set[RecordKey]:
    """Return the keys whose replicas differ from their source."""
    return {key for key in CHANGED if cloud.replica_record(key) != cloud.source_record(key)}


def named(cloud: Cloud, letter: Any) -> set[RecordKey]:
    """Return the keys that a dead letter is about."""
    try:
        return {change.key for change in parse(json.dumps(letter["event"]), cloud.settings.spec)}
    except PoisonError:
        return set()


PLANS = st.dictionaries(st.integers(0, 80), st.sampled_from(sorted(FAULTS)), min_size=1, max_size=12)


@settings(max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(PLANS)
def test_faults_at_any_requests_lose_nothing(plan: dict[int, str]) -> None:
    with fresh_cloud() as cloud:
        queue = Queue(populate(cloud))
        route = cloud.route(threads=1, part_threads=1, large_from=5 * MIB, part_size=5 * MIB)
        made = 0

        def fault_for(operation: str) -> Fault | None:
            nonlocal made
            if not operation.startswith(OURS):
                return None
            made += 1
            name = plan.get(made)
            return FAULTS[name] if name is not None and applies(name, operation) else None

        cloud.fault_for = fault_for
        for _ in range(2 * MAX_ATTEMPTS):
            if queue.waiting:
                queue.deliver(route.process)
        cloud.fault_for = lambda _: None
        assert not queue.waiting
        letters = cloud.letters()
        assert behind(cloud) <= {key for letter in letters for key in named(cloud, letter)}
        assert "poison" in [letter["event"] for letter in letters]


@pytest.mark.parametrize(("gone", "reason"), [("bucket", "NoSuchBucket"), ("table", "ResourceNotFoundException")])
def test_a_missing_target_fails_its_own_changes_with_the_reason_and_no_others(
    cloud: Cloud, gone: str, reason: str
) -> None:
    if gone == "bucket":
        cloud.clients.target_s3.delete_bucket(Bucket=cloud.settings.target_bucket)
    else:
        cloud.clients.target_dynamodb.delete_table(TableName=cloud.settings.target_table)
    cloud.put("a")
    cloud.put_item("i")
    queue = Queue([object_notice("a"), item_notice("i")])
    route = cloud.route()
    queue.deliver(route.process)
    assert len(queue.waiting) == 1
    for _ in range(MAX_ATTEMPTS - 1):
        queue.deliver(route.process)
    assert not queue.waiting
    (letter,) = cloud.letters()
    assert letter["error"]["type"] == reason
    assert letter["attempts"] == MAX_ATTEMPTS
    assert letter["event"]["kind"] == ("object" if gone == "bucket" else "item")


def test_an_envelopes_event_redriven_after_the_repair_is_replicated(cloud: Cloud) -> None:
    cloud.put("a", b"first")
    broken = refusal("AccessDenied", 403)
    cloud.fault_for = lambda operation: broken if operation == "s3.CopyObject" else None
    cloud.route().process({"Records": [record(object_notice("a"), attempts=MAX_ATTEMPTS)]})
    cloud.fault_for = lambda _: None
    (letter,) = cloud.letters()
    cloud.put("a", b"second")
    cloud.route().process({"Records": [record(json.dumps(letter["event"]))]})
    assert cloud.replica("a") == cloud.source_object("a")


@pytest.mark.parametrize(
    ("code", "status", "permanent"),
    [
        ("SlowDown", 503, False),
        ("ServiceUnavailable", 503, False),
        ("RequestTimeout", 400, False),
        ("AccessDenied", 403, False),
        ("NoSuchBucket", 404, False),
        ("KMS.DisabledException", 400, False),
        ("InvalidObjectState", 403, True),
        ("InvalidRequest", 400, True),
        ("InvalidTag", 400, True),
        ("MetadataTooLarge", 400, True),
        ("RequestHeaderSectionTooLarge", 400, True),
    ],
)
def test_an_error_of_a_copy_is_retried_where_that_can_help(
    cloud: Cloud, code: str, status: int, permanent: bool
) -> None:
    cloud.put("a")
    cloud.fault_for = lambda operation: refusal(code, status) if operation == "s3.CopyObject" else None
    answer = cloud.route().process({"Records": [record(object_notice("a"))]})
    cloud.fault_for = lambda _: None
    assert bool(answer["batchItemFailures"]) is not permanent
    assert [letter["error"]["type"] for letter in cloud.letters()] == ([code] if permanent else [])


ANSWERED = {
    "s3.HeadObject": "ETag",
    "s3.GetObjectTagging": "TagSet",
    "s3.CopyObject": "ETag",
    "s3.CreateMultipartUpload": "UploadId",
    "s3.UploadPartCopy": "ETag",
    "s3.CompleteMultipartUpload": "ETag",
    "dynamodb.BatchGetItem": "Responses",
    "dynamodb.BatchWriteItem": "UnprocessedItems",
}


@pytest.mark.parametrize("operation", ANSWERED)
def test_a_success_that_says_nothing_of_what_was_done_is_a_failure_that_is_tried_again(
    cloud: Cloud, operation: str
) -> None:
    cloud.put("small")
    cloud.put("large", b"x" * 11 * MIB)
    cloud.put_item("item")
    notices = {"small": object_notice("small"), "large": object_notice("large"), "item": item_notice("item")}
    records = [record(body, id_=id_) for id_, body in notices.items()]
    route = cloud.route(large_from=6 * MIB, part_size=5 * MIB)
    cloud.fault_for = lambda called: empty_success if called == operation else None
    again = {each["itemIdentifier"] for each in route.process({"Records": records})["batchItemFailures"]}
    part = operation in {"s3.CreateMultipartUpload", "s3.UploadPartCopy", "s3.CompleteMultipartUpload"}
    failing = {"large"} if part else {"small"} if operation == "s3.CopyObject" else {"small", "large"}
    assert again == ({"item"} if operation.startswith("dynamodb.") else failing)
    assert cloud.letters() == []
    cloud.fault_for = lambda _: None
    for key in ("small", "large"):
        cloud.clients.target_s3.delete_object(Bucket=cloud.settings.target_bucket, Key=key)
    assert route.process({"Records": records})["batchItemFailures"] == []
    assert cloud.replica("large") == cloud.source_object("large")
    assert cloud.replica_item("item") is not None


def test_the_reason_of_an_empty_success_names_the_call_and_what_it_left_out(cloud: Cloud) -> None:
    cloud.put("a")
    cloud.fault_for = lambda operation: empty_success if operation == "s3.CopyObject" else None
    cloud.route().process({"Records": [record(object_notice("a"), attempts=MAX_ATTEMPTS)]})
    (letter,) = cloud.letters()
    message = "CopyObject: answered with success, but without ETag"
    assert letter["error"] == {"type": "EmptyAnswer", "message": message}


def test_an_error_inside_a_success_is_the_error(cloud: Cloud) -> None:
    cloud.put("a")

    def inside(_operation: str, request: Any, _send: Any) -> Any:
        return answered(request, 200, "<Error><Code>SlowDown</Code><Message>later</Message></Error>")

    cloud.fault_for = lambda operation: inside if operation == "s3.CopyObject" else None
    answer = cloud.route().process({"Records": [record(object_notice("a"))]})
    assert len(answer["batchItemFailures"]) == 1
    cloud.route().process({"Records": [record(object_notice("a"), attempts=MAX_ATTEMPTS)]})
    (letter,) = cloud.letters()
    assert letter["error"] == {"type": "SlowDown", "message": "CopyObject: later"}


def test_items_whose_read_answers_nothing_are_not_deleted(cloud: Cloud) -> None:
    cloud.put_item("a")
    cloud.route().process({"Records": [record(item_notice("a"))]})
    cloud.fault_for = lambda operation: empty_success if operation == "dynamodb.BatchGetItem" else None
    cloud.route().process({"Records": [record(item_notice("a"))]})
    cloud.fault_for = lambda _: None
    assert cloud.replica_item("a") is not None


@pytest.mark.parametrize(
    ("status", "says"), [(403, ("s3:GetObject", "kms:Decrypt")), (400, ("expired", "KMS key")), (503, ())]
)
def test_a_heads_bare_status_is_told_with_what_it_may_mean(cloud: Cloud, status: int, says: tuple[str, ...]) -> None:
    cloud.put("a")
    cloud.fault_for = lambda operation: refusal("Any", status) if operation == "s3.HeadObject" else None
    cloud.route().process({"Records": [record(object_notice("a"), attempts=MAX_ATTEMPTS)]})
    cloud.fault_for = lambda _: None
    (letter,) = cloud.letters()
    assert letter["error"]["type"] == str(status)
    assert letter["error"]["message"].startswith("HeadObject: ")
    assert all(word in letter["error"]["message"] for word in says)
    assert ("may" in letter["error"]["message"]) is bool(says)


def test_a_refused_look_at_the_bucket_names_the_right_that_it_takes(cloud: Cloud) -> None:
    # moto gives heads of absent objects a body, and with it a code.
    refused = {"s3.HeadObject": refusal("", 404), "s3.HeadBucket": refusal("", 403)}
    cloud.fault_for = refused.get
    cloud.route().process({"Records": [record(object_notice("a"), attempts=MAX_ATTEMPTS)]})
    cloud.fault_for = lambda _: None
    (letter,) = cloud.letters()
    assert letter["error"]["type"] == "SourceBucket"
    assert "s3:ListBucket" in letter["error"]["message"]
    assert "s3:GetObject" not in letter["error"]["message"]
    assert "kms:Decrypt" not in letter["error"]["message"]


def test_a_refused_key_of_a_copy_is_told_in_kmss_own_words(cloud: Cloud) -> None:
    cloud.put("a")
    words = "User: arn:aws:sts::1:assumed-role/route is not authorized to perform: kms:Decrypt on this resource"
    broken = refusal("AccessDenied", 403, words)
    cloud.fault_for = lambda operation: broken if operation == "s3.CopyObject" else None
    cloud.route().process({"Records": [record(object_notice("a"), attempts=MAX_ATTEMPTS)]})
    cloud.fault_for = lambda _: None
    (letter,) = cloud.letters()
    assert letter["error"]["message"] == f"CopyObject: {words}"


def test_an_answer_that_cannot_be_read_is_tried_again_and_not_quoted(cloud: Cloud) -> None:
    cloud.put("a")

    def garbled(_operation: str, request: Any, _send: Any) -> Any:
        return answered(request, 200, "<Tagging><TagSet>secret")

    cloud.fault_for = lambda operation: garbled if operation == "s3.GetObjectTagging" else None
    answer = cloud.route().process({"Records": [record(object_notice("a"))]})
    assert len(answer["batchItemFailures"]) == 1


def test_a_heads_bare_400_is_retried_since_it_may_be_an_expired_token_or_a_disabled_key(cloud: Cloud) -> None:
    cloud.put("a")
    cloud.fault_for = lambda operation: refusal("ExpiredToken", 400) if operation == "s3.HeadObject" else None
    answer = cloud.route().process({"Records": [record(object_notice("a"))]})
    assert len(answer["batchItemFailures"]) == 1
    assert cloud.letters() == []


def test_a_request_that_botocore_refuses_is_given_up_without_quoting_it(cloud: Cloud) -> None:
    cloud.put("a")
    original = cloud.clients.source_s3.head_object(Bucket=cloud.settings.source_bucket, Key="a")
    route = cloud.route()
    with pytest.MonkeyPatch.context() as patch:
        odd = {**original, "ETag": ["secret"]}
        patch.setattr(cloud.clients.source_s3, "head_object", lambda **_: odd)
        route.process({"Records": [record(object_notice("a"))]})
    (letter,) = cloud.letters()
    assert letter["error"]["type"] == "ParamValidationError"
    assert "cret" not in json.dumps(letter)


def test_a_timeout_after_the_copy_took_effect_is_repaired_by_the_next_try(cloud: Cloud) -> None:
    cloud.put("a")
    faults = [timeout_after_effect]
    cloud.fault_for = lambda operation: faults.pop() if operation == "s3.CopyObject" and faults else None
    queue = Queue([object_notice("a")])
    route = cloud.route()
    queue.deliver(route.process)
    assert cloud.replica("a") == cloud.source_object("a")
    assert queue.waiting
    queue.deliver(route.process)
    assert not queue.waiting


def test_retries_timeouts_and_connections_are_set_explicitly() -> None:
    config: Any = client_config(17)
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}
    assert config.max_pool_connections == 17
    assert (config.connect_timeout, config.read_timeout) == (5, 10)
