"""Masked objects over an emulator: bodies and keys by a key of KMS, and a large one over many invocations and messages.

The function runs in this process, with parts of a megabyte, on the emulator's buckets, queues and key. What the
emulator cannot prove: that S3 keeps the checksum of a whole object that was uploaded in parts, refuses parts below
5 MiB, and reads a version from any byte on.
"""

import gzip
import json
import zlib
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

import local_cloud
from local_cloud import LocalCloud
from replication_core.aws.route_key import RouteKey
from replication_core.changes import Change
from replication_core.clients import Clients
from replication_core.datasets import OBJECTS
from replication_core.masking.mask import Mask
from replication_core.masking.policy import MaskingPolicy
from replication_core.masking.pseudonyms import Pseudonyms
from replication_core.replicator import build_replicator
from replicator_lambda.handler import RouteFunction
from tests.made_route import MadeRoute, clients_of

pytestmark = pytest.mark.own_cloud

PART = 1024 * 1024
PARTS_AT_ONCE = 2
KEEP = {"rule": "keep", "line": 1, "types": ["S", "N"], "reason": "no person"}
CUSTOMER = {"rule": "pseudonym", "line": 2, "namespace": "customer", "prefix": "c_"}
MAIL = {"rule": "email", "line": 3, "namespace": "mail"}


def rule(suffix: str, format_: str) -> dict[str, Any]:
    key, fields = {"customer": CUSTOMER, "file": KEEP}, [["id", CUSTOMER], ["email", MAIL], ["amount", KEEP]]
    body = {"format": format_, "fields": fields}
    match = f"incoming/{{customer}}/{{file}}.{suffix}"
    return {"match": match, "line": 9, "key": key, "body": body, "headers": {}, "metadata": {}, "tags": {}}


RULES = [rule("csv", "csv"), rule("csv.gz", "csv"), rule("jsonl", "json-lines")]
POLICY = {
    "version": 1,
    "generation": 1,
    "unclassified": "refuse",
    "namespaces": ["customer", "mail"],
    "tables": {},
    "buckets": {"objects": {"rules": RULES, "tags": [], "deletes": "mirror"}},
    "sample": None,
    "brake": None,
}


@dataclass
class MaskedSite:
    """A source, a target, and the function between them with its queue."""

    settings: MadeRoute
    clients: Clients
    mask: Mask
    route: RouteFunction
    invocations: int = 0

    def put(self, key: str, body: bytes) -> None:
        """Put an object into the source, and a notice of it into the queue."""
        self.clients.source_s3.put_object(Bucket=self.settings.source_bucket, Key=key, Body=body)
        self.notice(key)

    def notice(self, key: str) -> None:
        body = Change(OBJECTS.record(key), "test").body()
        self.clients.sqs.send_message(QueueUrl=self.settings.queue_url, MessageBody=body)

    def drain(self) -> None:
        """Have the function work off its queue, an invocation for each message."""
        queue = self.settings.queue_url
        while messages := self.clients.sqs.receive_message(QueueUrl=queue).get("Messages"):
            for each in messages:
                self.invocations += 1
                told = {"messageId": each["MessageId"], "receiptHandle": each["ReceiptHandle"], "body": each["Body"]}
                assert self.route.process({"Records": [told]}) == {"batchItemFailures": []}
                self.clients.sqs.delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])

    def replicas(self) -> dict[str, bytes]:
        """Return the target's bodies by their keys."""
        s3, bucket = self.clients.target_s3, self.settings.target_bucket
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket).get("Contents", ())]
        return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def place(self, key: str) -> str:
        return self.mask.key(OBJECTS.record(key)).object_key

    def masked(self, key: str, body: bytes) -> bytes:
        """Return what a body is to become."""
        return b"".join(block.data for block in self.mask.object(key, OBJECTS).body().blocks([body]))


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with local_cloud.start() as started:
        yield started


@pytest.fixture
def site(cloud: LocalCloud, request: pytest.FixtureRequest) -> MaskedSite:
    s3, sqs, sns, kms = (cloud.client(name) for name in ("s3", "sqs", "sns", "kms"))
    name = f"m{zlib.crc32(request.node.name.encode())}"
    for side in ("prod", "dev"):
        s3.create_bucket(Bucket=f"{side}-{name}")
        s3.put_bucket_versioning(Bucket=f"{side}-{name}", VersioningConfiguration={"Status": "Enabled"})
    queue, letters = (sqs.create_queue(QueueName=f"{name}-{what}")["QueueUrl"] for what in ("queue", "letters"))
    topic = sns.create_topic(Name=name)["TopicArn"]
    settings = MadeRoute(
        source_bucket=f"prod-{name}",
        source_table="none",
        target_bucket=f"dev-{name}",
        queue_url=queue,
        dlq_url=letters,
        success_topic_arn=topic,
        failure_topic_arn=topic,
    )
    clients = clients_of(cloud.client)
    key = kms.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["Arn"]
    mask = Mask(MaskingPolicy.parse(POLICY), Pseudonyms(RouteKey(kms=kms, arn=key).root(), 1))
    replicator = build_replicator(settings.spec, clients, masked_part_size=PART)
    calls = replicator.objects[OBJECTS.name].calls
    calls.mask = lambda: mask
    return MaskedSite(settings, clients, mask, RouteFunction.build(settings.spec, clients, replicator))


@pytest.fixture
def hurried(site: MaskedSite) -> MaskedSite:
    """Let each invocation have time for two parts."""
    calls = site.route.replicator.objects[OBJECTS.name].calls
    uploaded: list[int] = []

    def count(**_: Any) -> None:
        uploaded.append(site.invocations)

    site.clients.copying_s3.meta.events.register("before-call.s3.UploadPart", count)
    masked_copy = replace(calls.masked_copy(), out_of_time=lambda: uploaded.count(site.invocations) >= PARTS_AT_ONCE)
    calls.masked_copy = lambda: masked_copy
    return site


def rows(count: int) -> bytes:
    lines = [f"jane{number},jane.doe{number}@example.com,{number}.50" for number in range(count)]
    return "\r\n".join(["id,email,amount", *lines, ""]).encode()


def test_bodies_and_keys_are_masked_and_deletes_find_them(site: MaskedSite) -> None:
    lines = b'{"id": "jane", "email": "jane@doe.com", "amount": 1.50}\n' * 3
    bodies = {"csv": rows(3), "csv.gz": gzip.compress(rows(3), mtime=0), "jsonl": lines}
    keys = {suffix: f"incoming/jane/orders.{suffix}" for suffix in bodies}
    for suffix, body in bodies.items():
        site.put(keys[suffix], body)
    site.drain()
    expected = {site.place(keys[suffix]): site.masked(keys[suffix], body) for suffix, body in bodies.items()}
    assert site.replicas() == expected
    assert len(expected) == len(bodies)
    assert not any(
        b"jane" in gzip.decompress(body) if key.endswith("gz") else b"jane" in body for key, body in expected.items()
    )
    for suffix in bodies:
        site.clients.source_s3.delete_object(Bucket=site.settings.source_bucket, Key=keys[suffix])
        site.notice(keys[suffix])
    site.drain()
    assert site.replicas() == {}


@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_a_large_body_is_masked_by_many_invocations_and_is_what_one_would_make_of_it(
    hurried: MaskedSite, suffix: str
) -> None:
    key, body = f"incoming/jane/orders.{suffix}", rows(100_000)
    body = gzip.compress(body, mtime=0) if suffix.endswith("gz") else body
    hurried.put(key, body)
    hurried.drain()
    masked = hurried.masked(key, body)
    assert hurried.replicas() == {hurried.place(key): masked}
    assert len(masked) / PART / PARTS_AT_ONCE <= hurried.invocations <= len(masked) / PART / PARTS_AT_ONCE + 2
    bucket = hurried.settings.target_bucket
    assert hurried.clients.target_s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
    assert "Messages" not in hurried.clients.sqs.receive_message(QueueUrl=hurried.settings.dlq_url)


def test_a_body_that_breaks_off_leaves_a_letter_and_no_upload(hurried: MaskedSite) -> None:
    key = "incoming/jane/orders.csv"
    hurried.put(key, rows(60_000) + b'"jane')
    hurried.drain()
    assert hurried.invocations > 1
    (letter,) = hurried.clients.sqs.receive_message(QueueUrl=hurried.settings.dlq_url)["Messages"]
    told = json.loads(letter["Body"])
    assert told["error"]["type"] == "Unclassified"
    assert "jane" not in json.dumps(told["error"])
    assert hurried.replicas() == {}
    bucket = hurried.settings.target_bucket
    assert hurried.clients.target_s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_a_small_replica_has_the_checksum_of_what_its_source_is_masked_to(site: MaskedSite) -> None:
    key = "incoming/jane/orders.csv"
    site.put(key, rows(3))
    site.drain()
    head = site.clients.target_s3.head_object(
        Bucket=site.settings.target_bucket, Key=site.place(key), ChecksumMode="ENABLED"
    )
    assert head["ChecksumCRC32"] == b64encode(zlib.crc32(site.masked(key, rows(3))).to_bytes(4, "big")).decode()
