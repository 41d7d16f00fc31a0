"""Runs against a bucket, a table and queues: what they leave behind, whatever happens in between."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ReadTimeoutError
from moto.core.botocore_stubber import MockRawResponse

from processor_lambda import rejections, runs
from processor_lambda.files import InputFile
from processor_lambda.notices import Continuation, ObjectNotice, Progress, Sweep, parse
from processor_lambda.processor import FileProcessor, NoticeAction
from processor_lambda.results import Results
from record_files.decompression import gunzip
from replication_core.aws.errors import StoreError
from replication_core.datasets import Dataset, KeyAttribute, KeyType, Kind
from replication_core.message_fields import PoisonError
from replication_core.objects.pinned import PinnedObject
from tests.unit.processor_lambda.cloud import KEY, Cloud, Fault, Send, lines, refusal
from tests.unit.processor_lambda.cloud import cloud as fresh_cloud
from tests.unit.processor_lambda.cloud import record as message

CSV = b"id,timestamp,n\r\na,1,x\r\nb,2.5,\r\n"
ARRAY = b'[{"id": "a", "timestamp": 1, "n": "x"},\n {"id": "b", "timestamp": 2.50}]'
LINES = b'{"id": "a", "timestamp": 1, "n": "x"}\n\n{"id": "b", "timestamp": 2.5}'
DEV = {"S": "dev"}
ITEMS = {
    "a@1": {"id": {"S": "a"}, "timestamp": {"N": "1"}, "n": {"S": "x"}, "environment": DEV},
    "b@2.5": {"id": {"S": "b"}, "timestamp": {"N": "2.5"}, "environment": DEV},
}


# What is read


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("key", "body", "content_type"),
    [
        ("a.jsonl", LINES, ""),
        ("a.NDJSON", LINES, ""),
        ("a.json", LINES, ""),
        ("a.json", ARRAY, "text/csv"),
        ("a.csv", CSV, ""),
        ("a.csv", b"\xef\xbb\xbf" + CSV, ""),
        ("a", CSV, "text/csv; charset=utf-8"),
        ("a", LINES, "application/x-ndjson"),
        ("a", b"\xef\xbb\xbf" + ARRAY, "binary/octet-stream"),
        ("a+b %2B é.jsonl", LINES, ""),
    ],
)
def test_each_format_becomes_the_same_items(
    cloud: Cloud, key: str, body: bytes, content_type: str, packed: bool
) -> None:
    key = f"incoming/{key}{'.gz' * packed}"
    summary = cloud.summary(gzip.compress(body) if packed else body, key, ContentType=content_type)
    assert cloud.items() == ITEMS
    expected = {"status": "succeeded", "reason": None, "read": 2, "valid": 2, "rejected": 0, "written": 2, "kept": 0}
    assert {name: summary[name] for name in expected} == expected
    assert (summary["first_timestamp"], summary["last_timestamp"]) == ("1", "2.5")
    assert cloud.json("results/dev/latest.json") == cloud.json(f"results/dev/{summary['run']}.json") == summary
    stored = cloud.clients.s3.get_object(Bucket="data", Key="results/dev/latest.json")["Body"].read()
    assert stored.count(b"\n") == 1  # so that a policy can classify its fields, as JSON Lines
    assert cloud.keys("rejected/") == set()


def test_gzip_is_told_by_its_bytes_and_not_by_a_name(cloud: Cloud) -> None:
    assert cloud.summary(LINES, "incoming/a.jsonl.gz")["format"] == "json-lines"
    assert cloud.summary(gzip.compress(CSV), "incoming/a.csv", ContentEncoding="gzip")["format"] == "csv.gz"


@pytest.mark.parametrize("suffix", ["", ".gz", ".json", ".json.gz", ".csv"])
@pytest.mark.parametrize(
    "begin",
    [
        (b"\xef\xbb\xbf",),
        (b"\xef", b"\xbb", b"\xbf"),
        (b"", b""),
        (b" \n" * 100_000, b"\r\n"),
        (b"\xef\xbb", b"\xbf \n", b"\t" * 300_000 + b"\n"),
    ],
)
def test_a_format_is_told_by_the_first_character_in_whichever_piece_it_comes(
    cloud: Cloud, suffix: str, begin: tuple[bytes, ...]
) -> None:
    body = CSV if suffix == ".csv" else ARRAY
    packed = b"".join(map(gzip.compress, (*begin, body)))
    summary = cloud.summary(packed, f"incoming/a{suffix}")
    assert summary["format"] == ("csv.gz" if suffix == ".csv" else "json-array.gz")
    assert (summary["status"], summary["rejected"]) == ("succeeded", 0)
    assert cloud.items() == ITEMS


@pytest.mark.parametrize("key", ["incoming/a", "incoming/a.json", "incoming/a.csv"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_of_white_space_and_a_mark_alone_has_no_records(cloud: Cloud, key: str, packed: bool) -> None:
    body = b"\xef\xbb\xbf" + b" \r\n" * 100_000
    summary = cloud.summary(gzip.compress(body[:3]) + gzip.compress(body[3:]) if packed else body, key)
    assert (summary["status"], summary["read"]) == ("succeeded", 0)


def test_white_space_without_end_is_not_looked_through_for_a_format(cloud: Cloud) -> None:
    summary = cloud.summary(gzip.compress(b" " * 3_000_000 + ARRAY), "incoming/a")
    assert (summary["status"], summary["reason"]) == (
        "failed",
        "the file begins with more than 1048576 bytes of white space",
    )


@pytest.mark.parametrize(
    "key", ["incoming/a.jsonl", "incoming/a.csv", "incoming/a.json", "incoming/a", "incoming/a.gz"]
)
def test_an_empty_file_has_a_summary_of_no_records(cloud: Cloud, key: str) -> None:
    summary = cloud.summary(b"", key)
    assert (summary["status"], summary["read"], summary["first_timestamp"]) == ("succeeded", 0, None)


def test_bad_records_are_listed_with_line_and_reason_and_the_rest_is_processed(cloud: Cloud) -> None:
    secret = b"the-data-itself"
    body = b"\n".join(
        [
            b'{"id": "a", "timestamp": 1}',
            b'{"id": "' + secret,
            b'{"id": "b", "timestamp": "' + secret + b'"}',
            b'{"timestamp": 1}',
            b'{"id": "a", "timestamp": 1.0, "n": 2}',
            b'{"id": "\xff", "timestamp": 1}',
            b'{"id": "' + b"x" * (2 * 1024 * 1024) + b'"}',
            b'{"id": "c", "timestamp": 1, "x": "' + b"y" * 410_000 + b'"}',
            b'{"id": "a", "timestamp": 2}',
        ]
    )
    summary = cloud.summary(body)
    assert cloud.rejected() == [
        (2, "not JSON, at character 8 of the record"),
        (3, "the field 'timestamp' is not a number"),
        (4, "the field 'id' is missing"),
        (5, "the id and timestamp are those of a record before it"),
        (6, "not UTF-8, at byte 9 of the record"),
        (7, "the record is longer than a record may be"),
        (8, "larger than the 409600 bytes of an item"),
    ]
    assert (summary["read"], summary["valid"], summary["rejected"]) == (9, 2, 7)
    assert summary["rejected_key"] == f"rejected/{KEY}.jsonl"
    assert sorted(cloud.items()) == ["a@1", "a@2"]
    assert "n" not in cloud.items()["a@1"]


@pytest.mark.parametrize(
    ("key", "body", "options", "reason"),
    [
        ("a.jsonl.gz", gzip.compress(lines(2000), mtime=0)[:-9], {}, "ends too early"),
        ("a.json", b'[{"id": "r0", "timestamp": 0}, {"id": ', {}, "not closed"),
        ("a.csv", b"id,when\na,1\n", {}, "no column 'timestamp'"),
        ("a", b"what is this", {}, "neither the name"),
        ("a.jsonl", b"x", {"ContentEncoding": "br"}, "only gzip"),
    ],
)
def test_a_file_that_can_not_be_read_to_its_end_is_a_failed_run_with_the_reason(
    cloud: Cloud, key: str, body: bytes, options: dict[str, Any], reason: str
) -> None:
    summary = cloud.summary(body, f"incoming/{key}", **options)
    assert summary["status"] == "failed"
    assert reason in summary["reason"]
    assert len(cloud.items()) == summary["valid"]
    if "ends" in reason:
        assert summary["valid"] > 1000


def test_a_zip_bomb_is_a_failed_run(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gunzip, "__kwdefaults__", {"most": 1_000_000})
    cloud.put(gzip.compress(b" " * 2_000_000))
    outcome = cloud.process()
    assert outcome.failure == "the gzip stream gives more than 1000000 bytes"


# What is left alone


@pytest.mark.parametrize("key", ["other/a.jsonl", "incoming/", "incoming/folder/", "results/dev/latest.json"])
def test_what_is_no_input_is_ignored(cloud: Cloud, key: str) -> None:
    cloud.put(LINES, key)
    assert cloud.process(key).action is NoticeAction.IGNORED
    assert cloud.items() == {}


def test_what_is_gone_is_done(cloud: Cloud) -> None:
    assert cloud.process().action is NoticeAction.ABSENT
    cloud.put(LINES)
    cloud.clients.s3.delete_object(Bucket="data", Key=KEY)
    assert cloud.process().action is NoticeAction.ABSENT


def test_an_event_of_another_bucket_is_none_of_ours(cloud: Cloud) -> None:
    event = {"source": "aws.s3", "detail": {"bucket": {"name": "other"}, "object": {"key": KEY}}}
    with pytest.raises(PoisonError, match="of the bucket other"):
        cloud.processor().parse(json.dumps(event))


REPLICA: dict[str, Any] = {"Metadata": {"replicated-from": "prod"}}
REPLICAS: dict[str, dict[str, Any]] = {
    "metadata": REPLICA,
    "metadata that has room for the version alone": {"Metadata": {"replicated-from-version": "v"}},
    "a tag": {"Metadata": {"k": "v" * 2040}, "Tagging": "a=b&replicated-from=prod"},
}


@pytest.mark.parametrize("marked", REPLICAS)
def test_a_replica_is_left_alone_unless_replicas_are_processed(cloud: Cloud, marked: str) -> None:
    cloud.put(LINES, **REPLICAS[marked])
    assert cloud.process().action is NoticeAction.REPLICA
    assert cloud.processor().process(Sweep()).enqueued == 0
    assert cloud.keys("results/") == set()


def test_a_file_whose_tags_have_no_mark_is_no_replica(cloud: Cloud) -> None:
    cloud.put(LINES, Tagging="a=b")
    assert cloud.process().action is NoticeAction.PROCESSED


@pytest.mark.parametrize("process_replicas", [False, True])
def test_the_tags_of_a_file_are_asked_for_once(cloud: Cloud, *, process_replicas: bool) -> None:
    cloud.with_settings(process_replicas=process_replicas)
    cloud.summary(LINES)
    assert cloud.calls.count("s3.GetObjectTagging") == 1


def test_the_tags_of_a_file_that_is_continued_are_not_asked_for_again(cloud: Cloud) -> None:
    cloud.put(lines(9))
    cloud.process(processor=hurried(cloud, 0)())
    cloud.drain()
    assert cloud.calls.count("s3.GetObjectTagging") == 1
    assert len(cloud.items()) == 9


def test_tags_that_cannot_be_read_leave_a_file_for_a_later_try(cloud: Cloud) -> None:
    cloud.put(LINES)
    cloud.fault_for = lambda operation: refusal("AccessDenied", 403) if operation == "s3.GetObjectTagging" else None
    with pytest.raises(StoreError, match="GetObjectTagging"):
        cloud.process()
    assert cloud.items() == {}


@pytest.mark.parametrize("marked", REPLICAS)
def test_a_processed_replica_does_not_overwrite_replicated_items(cloud: Cloud, marked: str) -> None:
    cloud.with_settings(process_replicas=True)
    replicated = {**ITEMS["a@1"], "environment": {"S": "dev"}, "replicatedFrom": {"S": "prod"}, "n": {"S": "theirs"}}
    cloud.clients.dynamodb.put_item(TableName="data", Item=replicated)
    cloud.clients.dynamodb.put_item(TableName="data", Item={**ITEMS["b@2.5"], "n": {"S": "old"}})
    summary = cloud.summary(LINES, **REPLICAS[marked])
    assert cloud.items() == {"a@1": replicated, "b@2.5": ITEMS["b@2.5"]}
    assert (summary["valid"], summary["written"], summary["kept"]) == (2, 1, 1)


def test_an_older_version_fills_in_and_does_not_overwrite_what_a_later_one_put(cloud: Cloud) -> None:
    old = cloud.put(LINES)
    new = cloud.summary(b'{"id": "a", "timestamp": 1, "n": "new"}')
    outcome = cloud.process(version_id=old, reason="event")
    assert outcome.summary is not None
    assert outcome.summary["superseded"]
    assert (outcome.summary["written"], outcome.summary["kept"]) == (1, 1)
    assert cloud.items()["a@1"]["n"] == {"S": "new"}
    assert cloud.items()["b@2.5"] == ITEMS["b@2.5"]
    assert cloud.json("results/dev/latest.json") == new


def test_a_file_becomes_items_of_a_table_with_another_key(cloud: Cloud) -> None:
    key = (KeyAttribute("default", KeyType.BINARY), KeyAttribute("range", KeyType.STRING))  # both are reserved words
    cloud.clients.dynamodb.create_table(
        TableName="orders",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "default", "KeyType": "HASH"},
            {"AttributeName": "range", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[{"AttributeName": each.name, "AttributeType": each.type.value} for each in key],
    )
    cloud.with_settings(table="orders", dataset=Dataset("orders", Kind.TABLE, key))
    old = cloud.put(b"default,range,n\nAA==,a,old\nAQ==,b,old\nAQ==,b,again\n???,c,bad\n", "incoming/a.csv")
    assert cloud.summary(b"default,range,n\nAA==,a,new\n", "incoming/a.csv")["first_timestamp"] is None
    outcome = cloud.process("incoming/a.csv", version_id=old)
    assert outcome.summary is not None
    assert (outcome.summary["written"], outcome.summary["kept"], outcome.summary["rejected"]) == (1, 1, 2)
    found = cloud.clients.dynamodb.scan(TableName="orders")["Items"]
    assert sorted((item["default"]["B"], item["range"]["S"], item["n"]["S"]) for item in found) == [
        (b"\0", "a", "new"),
        (b"\1", "b", "old"),
    ]
    listed = cloud.clients.s3.get_object(Bucket="data", Key=outcome.summary["rejected_key"])["Body"].read()
    assert [json.loads(line)["reason"] for line in listed.splitlines()] == [
        "the default and range are those of a record before it",
        "the field 'default' is not text in base64",
    ]


# Once more


def test_the_same_version_twice_leaves_the_same_state_and_one_summary(cloud: Cloud) -> None:
    cloud.summary(LINES + b"\nbad")
    before = cloud.state()
    start = len(cloud.calls)
    assert cloud.process().action is NoticeAction.ALREADY
    assert not [call for call in cloud.calls[start:] if "Put" in call or "Write" in call]
    assert cloud.process(reason="manual").action is NoticeAction.PROCESSED
    assert cloud.state() == before


def test_a_failed_run_is_done_again_when_its_message_comes_again_and_a_better_summary_wins(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = gzip.compress(LINES + b" " * 2_000_000)
    cloud.put(bomb)
    with monkeypatch.context() as patched:
        patched.setattr(gunzip, "__kwdefaults__", {"most": 1_000_000})
        assert cloud.process().failure
    outcome = cloud.process()
    assert outcome.action is NoticeAction.PROCESSED
    assert outcome.failure is None
    assert cloud.json("results/dev/latest.json")["status"] == "succeeded"


def test_latest_never_goes_back_to_an_older_input(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    original = InputFile.from_head
    ages = {"incoming/old": at, "incoming/new": at + timedelta(seconds=1)}

    def aged(key: str, answer: Any) -> InputFile:
        return original(key, {**answer, "LastModified": ages.get(key, at)})

    monkeypatch.setattr(InputFile, "from_head", aged)
    for key in ("incoming/new", "incoming/old"):
        cloud.put(LINES, key)
        cloud.process(key)
    assert cloud.json("results/dev/latest.json")["key"] == "incoming/new"


@pytest.mark.parametrize(
    "found", [b"", b"[]", b"[" * 100_000, b'{"last_modified": 1, "key": 2, "version": 3, "status": "succeeded"}']
)
def test_what_is_no_summary_gives_way_to_one(cloud: Cloud, found: bytes) -> None:
    cloud.put(found, "results/dev/latest.json")
    cloud.put(LINES)
    summary = cloud.process().summary
    assert cloud.json("results/dev/latest.json") == summary


@pytest.mark.parametrize("first_in_order_of_text", [True, False])
@pytest.mark.parametrize("first_processed_last", [True, False])
def test_of_two_versions_in_one_second_latest_is_of_the_current_one(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, *, first_in_order_of_text: bool, first_processed_last: bool
) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    original = InputFile.from_head
    versions: list[str] = []

    def in_one_second(key: str, answer: Any) -> InputFile:
        return original(key, {**answer, "LastModified": at})

    monkeypatch.setattr(InputFile, "from_head", in_one_second)
    versions.append(cloud.put(LINES))
    while len(versions) < 2 or (versions[0] < versions[1]) is not first_in_order_of_text:  # S3 chooses them at random
        versions[1:] = [cloud.put(LINES)]
    first, current = versions
    for version in (current, first) if first_processed_last else (first, current):
        cloud.process(version_id=version, reason="event")
    assert cloud.json("results/dev/latest.json")["version"] == current


def test_latest_is_looked_at_again_when_somebody_else_wrote_it_meanwhile(cloud: Cloud) -> None:
    cloud.put(LINES)
    later = json.dumps({"last_modified": "9999", "key": "k", "version": "v"}).encode()
    meanwhile = [later]

    def fault_for(operation: str) -> Any:
        if operation == "s3.PutObject" and cloud.keys("results/") and meanwhile:
            body = meanwhile.pop()
            cloud.clients.s3.put_object(Bucket="data", Key="results/dev/latest.json", Body=body)
        return None

    cloud.fault_for = fault_for
    cloud.process()
    assert cloud.json("results/dev/latest.json")["last_modified"] == "9999"


# Over several invocations


def hurried(cloud: Cloud, looks: int) -> Callable[[], FileProcessor]:
    """Return a maker of processors whose time is up after so many looks at the clock."""

    def make() -> FileProcessor:
        processor = cloud.processor()
        passed = iter([False] * looks)
        processor.deadline.passed = lambda: next(passed, True)  # type: ignore[method-assign]
        return processor

    return make


BAD = b'bad\n{"id": 7}\n'


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("key", ["incoming/a.jsonl", "incoming/a.json", "incoming/a.csv"])
@pytest.mark.parametrize("looks", [0, 1, 7])
def test_a_run_over_many_invocations_leaves_what_one_would(key: str, looks: int, packed: bool) -> None:
    count = 25
    body = lines(count) + BAD + lines(5)
    if key.endswith(".json"):
        body = b"[" + b",\n".join(line for line in body.splitlines() if line != b"bad") + b"]"
    if key.endswith(".csv"):
        rows = [b"r%d,%d,%d" % (n, n, n) for n in range(count)] + [b"bad", b",7,", b"r1,1,1"]
        body = b'id,timestamp,n\n"quo\nted",1,"a ""b"""\n' + b"\n".join(rows)
    states = []
    for hurry in (False, True):
        with fresh_cloud() as cloud:
            cloud.put(gzip.compress(body, mtime=0) if packed else body, key)
            make = hurried(cloud, looks) if hurry else cloud.processor
            first = cloud.process(key, make())
            outcomes = [first, *cloud.drain(make)]
            assert (first.action is NoticeAction.CONTINUED) is hurry
            assert outcomes[-1].action is NoticeAction.PROCESSED
            assert len(outcomes) > 2 if hurry else len(outcomes) == 1
            state = cloud.state()
            states.append([value for name, value in state.items() if not name.startswith("results/")])
            latest = cloud.json("results/dev/latest.json")
            names = ("read", "valid", "rejected", "written", "first_timestamp", "last_timestamp", "format", "status")
            states[-1].append({name: latest[name] for name in names})
            assert sum(outcome.read for outcome in outcomes) == latest["read"]
            assert not [name for name in state if "unfinished" in name]
    assert states[0] == states[1]


def test_a_duplicate_is_found_over_the_end_of_an_invocation(cloud: Cloud) -> None:
    cloud.put(lines(3) + lines(3))
    cloud.process(processor=hurried(cloud, 2)())
    cloud.drain(hurried(cloud, 0))
    assert [line for line, _ in cloud.rejected()] == [4, 5, 6]


def test_no_message_holds_anything_of_the_file(cloud: Cloud) -> None:
    cloud.put(b"id,timestamp,the-header\nthe-id,1,the-cell\nthe-id,2,the-cell\n", "incoming/a.csv")
    cloud.process("incoming/a.csv", hurried(cloud, 0)())
    (message,) = cloud.take(cloud.settings.queue_url)
    assert not [word for word in ("the-header", "the-id", "the-cell") if word in json.dumps(message)]


def test_the_rest_of_a_line_that_is_too_long_is_gone_on_with_too(cloud: Cloud) -> None:
    cloud.put(b"x" * 3_000_000 + b"\n" + lines(1))
    outcomes = [cloud.process(processor=hurried(cloud, 0)()), *cloud.drain(hurried(cloud, 0))]
    assert len(outcomes) > 4
    assert cloud.rejected() == [(1, "the record is longer than a record may be")]
    assert list(cloud.items()) == ["r0@0"]


def test_a_compressed_file_that_time_never_suffices_for_is_a_failed_run(cloud: Cloud) -> None:
    cloud.put(gzip.compress(b"x" * 3_000_000 + b"\n" + lines(1)))
    cloud.process(processor=hurried(cloud, 6)())
    (body,) = cloud.take(cloud.settings.queue_url)
    outcome = hurried(cloud, 0)().process(parse(json.dumps(body)))
    assert "within the function's time" in str(outcome.failure)


def test_many_rejections_are_put_together_from_pieces(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "BLOCK_RECORDS", 10)
    monkeypatch.setattr(rejections.Rejections.spill, "__kwdefaults__", {"least": 300})
    summary = cloud.summary(b"bad\n" * 100)
    assert summary["rejected"] == 100
    assert [line for line, _ in cloud.rejected()] == list(range(1, 101))
    assert cloud.keys("results/dev/unfinished/") == set()


def test_a_continuation_whose_object_is_another_by_now_is_done(cloud: Cloud) -> None:
    version = cloud.put(lines(3))
    cloud.process(processor=hurried(cloud, 0)())
    (body,) = cloud.take(cloud.settings.queue_url)
    notice = parse(json.dumps(body))
    assert isinstance(notice, Continuation)
    assert notice.version_id == version
    cloud.clients.s3.delete_object(Bucket="data", Key=KEY, VersionId=version)
    assert cloud.processor().process(notice).action is NoticeAction.ABSENT


END = {"position": {"offset": len(lines(3)), "line": 4, "state": ""}}


@pytest.mark.parametrize(
    ("progress", "others"),
    [
        (END, {}),
        ({**END, "read": 100_000, "valid": 100_000}, {}),
        ({"pieces": ["../../x"], "invocations": 10**9}, {}),
        ({"asked_for": True}, {}),
        ({}, {"encoding": "csv"}),
    ],
)
def test_a_continuation_that_no_run_sent_marks_nothing_as_processed(
    cloud: Cloud, progress: dict[str, Any], others: dict[str, Any]
) -> None:
    cloud.put(lines(3))
    cloud.process(processor=hurried(cloud, 0)())
    (sent,) = cloud.take(cloud.settings.queue_url)
    forged = {**sent, "progress": {**sent["progress"], **progress}, **others}
    outcome = cloud.processor().process(parse(json.dumps(forged)))
    assert outcome.summary is not None
    assert (outcome.summary["status"], outcome.summary["read"]) == ("succeeded", 3)
    assert len(cloud.items()) == 3


def test_the_next_release_goes_on_with_the_runs_of_this_one(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class NextProgress(Progress):
        later: int = 0

    cloud.put(lines(3))
    cloud.process(processor=hurried(cloud, 0)())
    monkeypatch.setattr("processor_lambda.notices.Progress", NextProgress)
    (outcome,) = cloud.drain()
    assert outcome.summary is not None
    assert (outcome.read, outcome.summary["read"], outcome.summary["invocations"]) == (2, 3, 2)


def test_a_continuation_for_what_is_no_input_does_nothing(cloud: Cloud) -> None:
    cloud.put(lines(3))
    cloud.process(processor=hurried(cloud, 0)())
    (sent,) = cloud.take(cloud.settings.queue_url)
    for key, options in (("results/dev/a.jsonl", {}), ("incoming/b.jsonl", REPLICA)):
        version = cloud.put(lines(9), key, **options)
        etag = cloud.clients.s3.head_object(Bucket="data", Key=key)["ETag"]
        forged = {**sent, "key": key, "version_id": version, "etag": etag}
        outcome = cloud.processor().process(parse(json.dumps(forged)))
        assert outcome.action in {NoticeAction.IGNORED, NoticeAction.REPLICA}
    assert len(cloud.items()) == 1


def test_a_continuation_that_comes_again_after_the_run_was_finished_changes_nothing(cloud: Cloud) -> None:
    cloud.put(lines(3))
    cloud.process(processor=hurried(cloud, 0)())
    (sent,) = cloud.take(cloud.settings.queue_url)
    cloud.processor().process(parse(json.dumps(sent)))
    state = cloud.state()
    assert cloud.processor().process(parse(json.dumps(sent))).action is NoticeAction.ALREADY
    assert cloud.state() == state


def test_a_run_that_goes_on_without_end_is_a_failed_run_with_a_reason_of_its_own(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processor_lambda.processor.MAX_INVOCATIONS", 3)
    cloud.put(lines(9))
    outcomes = [cloud.process(processor=hurried(cloud, 0)()), *cloud.drain(hurried(cloud, 0))]
    assert [outcome.action for outcome in outcomes] == [
        NoticeAction.CONTINUED,
        NoticeAction.CONTINUED,
        NoticeAction.PROCESSED,
    ]
    assert "not read to its end after" in str(outcomes[-1].failure)
    assert "raise processing:timeoutSeconds" in str(outcomes[-1].failure)
    assert (outcomes[-1].summary or {})["read"] == len(cloud.items()) == 3
    assert cloud.processor().process(Sweep()).enqueued == 0


def test_a_file_may_take_many_more_invocations_than_lambda_lets_a_loop_have(cloud: Cloud) -> None:
    assert runs.MAX_INVOCATIONS >= 1000
    cloud.put(lines(40))
    cloud.process(processor=hurried(cloud, 0)())
    outcomes = cloud.drain(hurried(cloud, 0))
    assert (outcomes[-1].summary or {})["invocations"] > 32
    assert (outcomes[-1].summary or {})["status"] == "succeeded"


@pytest.mark.parametrize("character", ["\x1e", "\x01", "\x0b", "\ufffe", "\uffff"])
def test_rejections_of_a_key_that_no_answer_can_echo_are_listed_by_the_run(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, character: str
) -> None:
    monkeypatch.setattr(runs, "BLOCK_RECORDS", 10)
    monkeypatch.setattr(rejections.Rejections.spill, "__kwdefaults__", {"least": 300})
    key = f"incoming/a{character}b.jsonl"
    summary = cloud.summary(b"bad\n" * 100, key)
    assert summary["rejected_key"] == f"rejected/{summary['run']}.jsonl"
    assert len(cloud.clients.s3.get_object(Bucket="data", Key=summary["rejected_key"])["Body"].readlines()) == 100
    assert cloud.clients.s3.list_multipart_uploads(Bucket="data").get("Uploads", []) == []


@pytest.mark.parametrize("name", ["a b", "é", "a&b<c>", "\U0001f600", "a\tb", "\x7f"])
def test_rejections_of_any_other_key_are_listed_by_it(cloud: Cloud, name: str) -> None:
    assert cloud.summary(b"bad", f"incoming/{name}.jsonl")["rejected_key"] == f"rejected/incoming/{name}.jsonl.jsonl"


# Whatever fails


class Crash(BaseException):
    """The function is gone."""


def crash_at(cloud: Cloud, number: int, *, after_effect: bool) -> None:
    left = [number]

    def crash(_operation: str, _request: AWSPreparedRequest, send: Send) -> AWSResponse | None:
        if after_effect:
            send()
        raise Crash

    def fault_for(_operation: str) -> Any:
        left[0] -= 1
        return crash if left[0] == -1 else None

    cloud.fault_for = fault_for


@pytest.mark.parametrize("after_effect", [False, True])
def test_a_crash_at_any_call_is_made_good_by_the_message_that_comes_back(after_effect: bool) -> None:
    body = lines(3) + BAD + lines(2)
    with fresh_cloud() as cloud:
        cloud.put(body)
        cloud.process(processor=hurried(cloud, 1)())
        cloud.drain(hurried(cloud, 1))
        expected = cloud.state()
    crashed = True
    number = 0
    while crashed:
        with fresh_cloud() as cloud:
            cloud.put(body)
            crash_at(cloud, number, after_effect=after_effect)
            crashed = process_until_done(cloud)
            cloud.fault_for = lambda _: None
            assert normal(cloud.state()) == normal(expected), f"call {number}"
        number += 1
    assert number > 30


def process_until_done(cloud: Cloud) -> bool:
    """Work through the queue; a message whose processing crashed comes back. Return whether one did."""
    crashed = False
    waiting = [ObjectNotice(key=KEY).body()]
    while waiting:
        body = waiting.pop(0)
        try:
            hurried(cloud, 1)().process(parse(body))
        except Crash:
            crashed = True
            waiting.append(body)
        faults, cloud.fault_for = cloud.fault_for, lambda _: None
        waiting += [json.dumps(message) for message in cloud.take(cloud.settings.queue_url)]
        cloud.fault_for = faults
    return crashed


def normal(state: dict[str, Any]) -> Any:
    """Return a state without the names and instants of its versions, which differ between clouds."""
    summary = dict(state["results/dev/latest.json"])
    summaries = [value for key, value in state.items() if key.startswith("results/") and "unfinished" not in key]
    assert all(each == summary for each in summaries)
    for name in ("run", "version", "last_modified"):
        summary.pop(name)
    return [state["items"], state[f"rejected/{KEY}.jsonl"], summary]


def test_what_the_table_leaves_unprocessed_is_put_again_after_a_pause(cloud: Cloud) -> None:
    from processor_lambda import table

    pauses: list[float] = []
    processor = cloud.processor()
    object.__setattr__(processor.table, "pause", pauses.append)
    left = [3]

    def unprocessed(_operation: str, request: AWSPreparedRequest, _send: Send) -> AWSResponse:
        left[0] -= 1
        body: Any = request.body
        answer = json.dumps({"UnprocessedItems": json.loads(body)["RequestItems"]})
        return AWSResponse(request.url, 200, {}, MockRawResponse(answer))  # type: ignore[arg-type]

    cloud.fault_for = lambda operation: unprocessed if "BatchWrite" in operation and left[0] else None
    cloud.put(LINES)
    assert cloud.process(processor=processor).action is NoticeAction.PROCESSED
    assert pauses == [0.05, 0.1, 0.2]
    assert cloud.items() == ITEMS
    left[0] = 1_000
    with pytest.raises(StoreError, match="left unprocessed"):
        cloud.process(processor=processor, reason="manual")
    assert len(pauses) == 3 + len(table.PAUSES)


def test_an_item_that_the_table_refuses_is_a_rejected_record_and_its_neighbours_are_put(cloud: Cloud) -> None:
    def refused(operation: str, request: AWSPreparedRequest, send: Send) -> AWSResponse | None:
        body: Any = request.body
        return refusal("ValidationException", 400)(operation, request, send) if b'"r7"' in body else send()

    cloud.fault_for = lambda operation: refused if "BatchWrite" in operation else None
    summary = cloud.summary(lines(30))
    assert (summary["valid"], summary["written"], summary["rejected"]) == (29, 29, 1)
    assert cloud.rejected() == [(8, "the table refuses it: ValidationException")]


def test_a_connection_that_breaks_is_opened_again_where_it_broke(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    body = lines(20_000)
    cloud.put(body)
    original = PinnedObject._open

    class Breaking:
        def __init__(self, inner: Any) -> None:
            self.inner, self.reads = inner, 0

        def read(self, size: int) -> Any:
            self.reads += 1
            if self.reads == 2:
                raise ReadTimeoutError(endpoint_url="s3")
            return self.inner.read(size)

        def close(self) -> None:
            self.inner.close()

    monkeypatch.setattr(PinnedObject, "_open", lambda *arguments: Breaking(original(*arguments)))
    bucket = cloud.processor().bucket
    assert b"".join(bucket.chunks(bucket.head(KEY))) == body


def without(header: str | None) -> Fault:
    """Return the fault of an answer of success that has no body, nor this header."""

    def fault(_operation: str, _request: AWSPreparedRequest, send: Send) -> AWSResponse:
        answer = send()
        assert answer is not None
        kept = {name: value for name, value in answer.headers.items() if name.lower() != header}
        headers: Any = {**kept, "content-length": "0"}
        empty: Any = MockRawResponse(b"")
        return AWSResponse(answer.url, answer.status_code, headers, empty)

    return fault


@pytest.mark.parametrize("header", [None, "etag"])
@pytest.mark.parametrize("begun", [False, True])
def test_a_success_with_no_bytes_is_a_failure_for_a_later_try_and_not_an_endless_one(
    cloud: Cloud, header: str | None, *, begun: bool
) -> None:
    body = lines(20_000)
    cloud.put(body)
    bucket = cloud.processor().bucket
    chunks = bucket.chunks(bucket.head(KEY), len(body) // 2 if begun else 0)
    cloud.fault_for = lambda operation: without(header) if operation == "s3.GetObject" else None
    with pytest.raises(StoreError, match="GetObject: ") as error:
        b"".join(chunks)
    assert (error.value.kind, error.value.permanent) == ("EmptyAnswer", False)
    assert cloud.calls.count("s3.GetObject") <= 4
    cloud.fault_for = lambda operation: without("etag") if operation == "s3.GetObject" else None
    with pytest.raises(StoreError, match="without ETag"):
        bucket.get(KEY)


# What events missed


def test_a_sweep_finds_what_has_no_run_and_nothing_else(cloud: Cloud) -> None:
    cloud.summary(LINES, "incoming/done.jsonl")
    cloud.put(LINES, "incoming/replica.jsonl", **REPLICA)
    cloud.put(b"", "incoming/folder/")
    cloud.put(lines(3), "incoming/under way.jsonl")
    cloud.process("incoming/under way.jsonl", hurried(cloud, 0)())
    cloud.take(cloud.settings.queue_url)
    version = cloud.put(LINES, "incoming/missed+%2B é.jsonl")
    assert cloud.processor().process(Sweep()).enqueued == 1
    (message,) = cloud.take(cloud.settings.queue_url)
    notice = parse(json.dumps(message))
    assert notice == ObjectNotice(key="incoming/missed+%2B é.jsonl", version_id=version, reason="sweep")
    assert cloud.processor().process(notice).action is NoticeAction.PROCESSED
    assert cloud.processor().process(Sweep()).enqueued == 0


def test_a_new_version_of_what_has_a_run_is_found(cloud: Cloud) -> None:
    cloud.summary(LINES)
    cloud.put(lines(1))
    assert cloud.processor().process(Sweep()).enqueued == 1


def test_a_sweep_whose_time_is_up_goes_on_in_another_message(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processor_lambda.sweep._AT_A_TIME", 2)
    for number in range(5):
        cloud.put(LINES, f"incoming/{number}")
    hurried(cloud, 0)().process(Sweep())
    bodies = cloud.take(cloud.settings.queue_url)
    (sweep,) = [parse(json.dumps(body)) for body in bodies if body["kind"] == "sweep"]
    assert sweep == Sweep("incoming/1", invocations=2)
    keys = {body["key"] for body in bodies if body["kind"] == "object"}
    while sweeps := [body for body in bodies if body["kind"] == "sweep"]:
        hurried(cloud, 0)().process(parse(json.dumps(sweeps[0])))
        bodies = cloud.take(cloud.settings.queue_url)
        keys |= {body["key"] for body in bodies if body["kind"] == "object"}
    assert keys == {f"incoming/{number}" for number in range(5)}


def failing(operation: str, key: str, fault: Callable[..., Any]) -> Callable[[str], Any]:
    """Return a fault for the operation on this key alone."""

    def one(name: str, request: AWSPreparedRequest, send: Send) -> AWSResponse | None:
        answer: AWSResponse | None = fault(name, request, send) if key in str(request.url) else send()
        return answer

    return lambda name: one if name == operation else None


def unparseable(_operation: str, _request: AWSPreparedRequest, _send: Send) -> AWSResponse:
    raise ValueError('Invalid timestamp ""')


@pytest.mark.parametrize("operation", ["s3.HeadObject", "s3.GetObjectTagging", "s3.GetObject"])
@pytest.mark.parametrize("fault", [refusal("AccessDenied", 403), unparseable])
def test_an_input_that_can_not_be_looked_at_or_read_is_told_once_and_the_others_are_swept(
    cloud: Cloud, fault: Any, operation: str
) -> None:
    for name in "abc":
        cloud.put(lines(1), f"incoming/{name}.jsonl")
    cloud.fault_for = failing(operation, "/incoming/b.jsonl", fault)
    outcome = cloud.processor().process(Sweep())
    assert (outcome.enqueued, outcome.unreadable) == (3, ("incoming/b.jsonl",))
    bodies = {body["key"]: json.dumps(body) for body in cloud.take(cloud.settings.queue_url)}
    assert sorted(bodies) == ["incoming/a.jsonl", "incoming/b.jsonl", "incoming/c.jsonl"]
    for attempt in range(1, 7):
        cloud.function().process({"Records": [message(body, id_=k, attempts=attempt) for k, body in bodies.items()]})
    assert sorted(cloud.items()) == ["r0@0"]
    (letter,) = cloud.take(cloud.settings.dlq_url)
    assert letter["event"]["key"] == "incoming/b.jsonl"
    # From then on no sweep asks for it, until it can be looked at, or is another.
    outcome = cloud.processor().process(Sweep())
    assert (outcome.enqueued, outcome.unreadable) == (0, ("incoming/b.jsonl",))
    told = [cloud.json(key) for key in cloud.keys("results/dev/") if not key.endswith("latest.json")]
    (failed,) = [summary for summary in told if summary["status"] == "failed"]
    assert failed["key"] == "incoming/b.jsonl"
    assert letter["error"]["type"] in failed["reason"]
    cloud.fault_for = lambda _: None
    assert cloud.processor().process(Sweep()).enqueued == 1
    cloud.take(cloud.settings.queue_url)
    cloud.put(lines(2), "incoming/b.jsonl")
    cloud.fault_for = failing(operation, "/incoming/b.jsonl", fault)
    assert cloud.processor().process(Sweep()).enqueued == 1


def test_what_was_processed_is_left_alone_by_a_sweep_that_may_not_read_tags(cloud: Cloud) -> None:
    cloud.summary(lines(1))
    start = len(cloud.calls)
    cloud.fault_for = lambda operation: refusal("AccessDenied", 403) if "Tagging" in operation else None
    outcome = cloud.processor().process(Sweep())
    assert (outcome.enqueued, outcome.unreadable) == (0, ())
    assert cloud.calls[start:] == ["s3.ListObjectsV2", "s3.HeadObject", "s3.HeadObject"]


def test_a_replica_that_tells_so_itself_costs_a_sweep_one_call(cloud: Cloud) -> None:
    cloud.put(lines(1), **REPLICA)
    start = len(cloud.calls)
    cloud.processor().process(Sweep())
    assert cloud.calls[start:] == ["s3.ListObjectsV2", "s3.HeadObject"]


def test_one_inputs_summary_that_can_not_be_looked_for_does_not_stop_the_sweep(cloud: Cloud) -> None:
    for name in "abc":
        cloud.put(lines(1), f"incoming/{name}.jsonl")
    cloud.fault_for = failing("s3.HeadObject", "/results/", refusal("InternalError", 500))
    assert cloud.processor().process(Sweep()).enqueued == 3


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_an_archived_input_is_told_once_and_tried_again_when_the_object_changes(
    cloud: Cloud, storage_class: str
) -> None:
    cloud.put(lines(2), StorageClass=storage_class)
    assert cloud.processor().process(Sweep()).enqueued == 1
    (body,) = cloud.take(cloud.settings.queue_url)
    assert cloud.function().process({"Records": [message(json.dumps(body))]}) == {"batchItemFailures": []}
    (letter,) = cloud.take(cloud.settings.dlq_url)
    assert letter["error"]["message"] == "the object is archived: restore it, and have it processed again"
    latest = cloud.json("results/dev/latest.json")
    assert (latest["status"], latest["reason"]) == ("failed", letter["error"]["message"])
    for _ in range(3):
        assert cloud.processor().process(Sweep()).enqueued == 0
    cloud.put(lines(2))
    assert cloud.processor().process(Sweep()).enqueued == 1
    assert [outcome.action for outcome in cloud.drain()] == [NoticeAction.PROCESSED]
    assert sorted(cloud.items()) == ["r0@0", "r1@1"]


def give_up(cloud: Cloud) -> None:
    """Have the object's message tried until it is a dead letter."""
    for attempt in range(1, 7):
        answer = cloud.function().process({"Records": [message(ObjectNotice(key=KEY).body(), attempts=attempt)]})
        if not answer["batchItemFailures"]:
            break
    assert len(cloud.take(cloud.settings.dlq_url)) == 1


def test_what_fails_for_good_is_remembered_and_what_a_later_try_may_help_is_swept_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.put(lines(2))
    cloud.fault_for = lambda operation: refusal("InternalServerError", 500) if "BatchWrite" in operation else None
    give_up(cloud)
    assert cloud.processor().process(Sweep()).enqueued == 1
    cloud.take(cloud.settings.queue_url)
    cloud.fault_for = lambda _: None

    def fault(_self: Any) -> Any:
        raise RuntimeError("the-data-itself")

    with monkeypatch.context() as patched:
        patched.setattr(runs.Run, "work", fault)
        give_up(cloud)
    assert cloud.processor().process(Sweep()).enqueued == 0
    reason = cloud.json("results/dev/latest.json")["reason"]
    assert reason.startswith("RuntimeError: unexpected, at ")
    assert "the-data-itself" not in reason


def test_what_crashes_the_function_each_time_is_marked_as_failed_before_its_last_try(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.put(lines(2))

    def crash(_self: Any) -> Any:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(runs.Run, "work", crash)
        with pytest.raises(Crash):
            cloud.function().process({"Records": [message(ObjectNotice(key=KEY).body(), attempts=10)]})
    # The letter is the message itself, which its queue gives up.
    assert "without an answer" in cloud.json("results/dev/latest.json")["reason"]
    assert cloud.processor().process(Sweep()).enqueued == 0
    cloud.process(reason="manual")
    assert len(cloud.items()) == 2


def test_a_good_file_whose_message_was_received_often_and_never_tried_is_processed(cloud: Cloud) -> None:
    cloud.put(lines(2))
    answer = cloud.function().process({"Records": [message(ObjectNotice(key=KEY).body(), attempts=10)]})
    assert answer == {"batchItemFailures": []}
    assert len(cloud.items()) == 2
    assert cloud.take(cloud.settings.dlq_url) == []
    assert {cloud.json(key)["status"] for key in cloud.keys("results/dev/")} == {"succeeded"}


def test_what_fails_at_its_last_try_is_remembered_and_told_with_the_same_reason(cloud: Cloud) -> None:
    cloud.put(lines(2))
    cloud.fault_for = lambda operation: refusal("InternalServerError", 500) if "BatchWrite" in operation else None
    cloud.function().process({"Records": [message(ObjectNotice(key=KEY).body(), attempts=10)]})
    (letter,) = cloud.take(cloud.settings.dlq_url)
    assert letter["error"]["type"] == "InternalServerError"
    assert cloud.json("results/dev/latest.json")["reason"].startswith("InternalServerError: ")


def test_a_run_that_another_one_of_the_same_version_finished_meanwhile_is_no_failure(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "BLOCK_RECORDS", 10)
    monkeypatch.setattr(rejections.Rejections.spill, "__kwdefaults__", {"least": 300})
    cloud.put(b"bad\n" * 100)
    original = rejections.Rejections.finish
    others = [True]

    def finish(self: Any, key: str, **metadata: str) -> None:
        if others and others.pop():
            cloud.process()
        original(self, key, **metadata)

    monkeypatch.setattr(rejections.Rejections, "finish", finish)
    for attempt in (1, 2):
        answer = cloud.function().process({"Records": [message(ObjectNotice(key=KEY).body(), attempts=attempt)]})
        assert len(answer["batchItemFailures"]) == 2 - attempt
    assert cloud.take(cloud.settings.dlq_url) == []
    assert cloud.json("results/dev/latest.json")["status"] == "succeeded"


def test_what_was_processed_is_not_marked_as_failed_by_a_message_that_is_given_up(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.summary(lines(2))
    cloud.function().process({"Records": [message(ObjectNotice(key=KEY).body(), attempts=10)]})
    assert cloud.json("results/dev/latest.json")["status"] == "succeeded"


def test_what_succeeds_while_its_failure_is_written_stays_a_success(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.put(lines(2))
    original = Results._settle
    others = [True]

    def settle(self: Results, key: str, summary: Any, **options: Any) -> Any:
        if others and others.pop():
            cloud.process()
        return original(self, key, summary, **options)

    monkeypatch.setattr(Results, "_settle", settle)
    cloud.processor().remember(ObjectNotice(key=KEY), StoreError("Unfinished", "given up", permanent=True))
    assert len(cloud.keys("results/dev/")) == 2
    assert {cloud.json(key)["status"] for key in cloud.keys("results/dev/")} == {"succeeded"}


def test_what_fails_when_somebody_asks_for_it_again_says_so(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.put(gzip.compress(LINES + b" " * 2_000_000))
    cloud.process()
    monkeypatch.setattr(gunzip, "__kwdefaults__", {"most": 1_000_000})
    assert cloud.process(reason="manual").failure
    assert {cloud.json(key)["status"] for key in cloud.keys("results/dev/")} == {"failed"}


@pytest.mark.parametrize("options", [{}, REPLICA])
def test_a_version_that_can_not_be_looked_at_is_not_blamed_on_the_one_that_stands_there(
    cloud: Cloud, options: dict[str, Any]
) -> None:
    cloud.put(lines(2), **options)
    cloud.fault_for = failing("s3.HeadObject", "versionId=bad", refusal("400", 400))
    for attempt in range(6, 11):
        notice = ObjectNotice(key=KEY, version_id="bad")
        cloud.function().process({"Records": [message(notice.body(), attempts=attempt)]})
        assert len(cloud.take(cloud.settings.dlq_url)) == 1
    assert cloud.keys("results/") == set()


def test_a_replica_whose_message_was_received_often_has_no_summary(cloud: Cloud) -> None:
    cloud.put(lines(2), **REPLICA)
    cloud.function().process({"Records": [message(ObjectNotice(key=KEY).body(), attempts=10)]})
    assert cloud.keys("results/") == set()


def test_a_sweep_that_goes_on_without_end_is_given_up_with_a_reason_of_its_own(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processor_lambda.sweep._AT_A_TIME", 1)
    monkeypatch.setattr("processor_lambda.sweep.MAX_INVOCATIONS", 3)
    for number in range(9):
        cloud.put(LINES, f"incoming/{number}")
    hurried(cloud, 0)().process(Sweep())
    (second,) = filter(None, map(sweep_of, cloud.take(cloud.settings.queue_url)))
    hurried(cloud, 0)().process(second)
    (third,) = filter(None, map(sweep_of, cloud.take(cloud.settings.queue_url)))
    with pytest.raises(StoreError, match="not at its end after 3 invocations") as error:
        hurried(cloud, 0)().process(third)
    assert (error.value.kind, error.value.permanent) == ("SweepTooLong", True)


def sweep_of(body: Any) -> Sweep | None:
    notice = parse(json.dumps(body))
    return notice if isinstance(notice, Sweep) else None
