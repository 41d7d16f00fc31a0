"""Three environments in moto, and a mirror that masks by brute force as the replicator does."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.config import Config
from moto import mock_aws

from masking_policy.compiler import compile_policy
from pipeline_common.contracts import ReplicationOutputs, RouteOutputs, StorageOutputs, StoredDataset
from pipeline_ops.demo.stores import DemoStore, SystemOutputs
from replication_core.datasets import ITEMS, OBJECTS, RecordKey
from replication_core.masking.mask import Mask
from replication_core.masking.pseudonyms import Pseudonyms
from replication_core.masking.refusals import Unclassified

REGION = "eu-west-1"
TARGETS = ("dev", "staging")
COPIED = (
    *("ContentType", "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "Expires"),
    "WebsiteRedirectLocation",
)
DEAD_LETTERS = "dead-letters"
ROOT = Path(__file__).parents[4]

told: dict[str, set[str]] = {}
"""The letters that the mirror has sent, by queue."""

done: dict[tuple[str, RecordKey], str] = {}
"""The version of each object that the mirror has last brought to each target."""


def moto_client(service: str, /, *, region: str = REGION, config: Config | None = None) -> Any:
    """Return a client of moto."""
    return boto3.client(
        service,  # type: ignore[call-overload] # the stubs know each service by its own literal
        region_name=region,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        # moto gives a multipart upload's checksum of checksums without the "-3" that marks it as one
        config=config or Config(response_checksum_validation="when_required"),
    )


def storage_outputs(environment: str) -> dict[str, Any]:
    bucket = StoredDataset(dataset=OBJECTS, name=f"{environment}-bucket", arn="unused")
    table = StoredDataset(dataset=ITEMS, name=f"{environment}-table", arn="unused")
    names: Any = {each.name: "unused" for each in fields(StorageOutputs)}
    names |= {
        "environment": environment,
        "suffix": "",
        "region": REGION,
        "datasets": {"objects": bucket, "items": table},
    }
    return StorageOutputs(**names).exports()


@pytest.fixture
def one_call_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep threads apart: moto reads an object's bytes through one shared file."""
    call, lock = BaseClient._make_api_call, threading.RLock()  # type: ignore[attr-defined]

    def locked(*arguments: Any) -> Any:
        with lock:
            return call(*arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", locked)


@pytest.fixture
def system(one_call_at_a_time: None) -> Iterator[SystemOutputs]:
    """The outputs of a system in moto."""
    with mock_aws():
        outputs: dict[str, dict[str, Any]] = {}
        told.clear()
        done.clear()
        for environment in ("prod", *TARGETS):
            url = moto_client("sqs").create_queue(QueueName=f"{environment}-{DEAD_LETTERS}")["QueueUrl"]
            outputs[f"storage/{environment}"] = values = {**storage_outputs(environment), "dlq_url": url}
            s3 = moto_client("s3")
            s3.create_bucket(Bucket=values["bucket_name"], CreateBucketConfiguration={"LocationConstraint": REGION})
            s3.put_bucket_versioning(Bucket=values["bucket_name"], VersioningConfiguration={"Status": "Enabled"})
            moto_client("dynamodb").create_table(
                TableName=values["table_name"],
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[
                    {"AttributeName": "id", "AttributeType": "S"},
                    {"AttributeName": "timestamp", "AttributeType": "N"},
                ],
                KeySchema=[
                    {"AttributeName": "id", "KeyType": "HASH"},
                    {"AttributeName": "timestamp", "KeyType": "RANGE"},
                ],
            )
        routes = {f"{target}_{name}": "unused" for target in TARGETS for name in ROUTE_FIELDS}
        routes |= {f"{target}_queue_url": url for target in TARGETS}
        unused = dict.fromkeys(REPLICATION_FIELDS, "unused")
        outputs["replication/prod"] = {**unused, **routes, "targets": ",".join(TARGETS), "region": REGION}
        yield outputs


ROUTE_FIELDS = tuple(each.name for each in fields(RouteOutputs) if each.name not in {"spec", "held"})
REPLICATION_FIELDS = tuple(
    each.name for each in fields(ReplicationOutputs) if each.name not in {"routes", "notifier_mappings"}
)


@pytest.fixture
def source(system: SystemOutputs) -> DemoStore:
    return DemoStore.of(moto_client, system, "prod")


@pytest.fixture
def dev(system: SystemOutputs) -> DemoStore:
    return DemoStore.of(moto_client, system, "dev")


@pytest.fixture
def mirror(source: DemoStore) -> Callable[[DemoStore], None]:
    """Bring a target level with the source, once."""
    return lambda target: mirror_once(source, target)


@cache
def mask_of(environment: str) -> Mask:
    """Return the committed policy's mask, by a key of the target's own."""
    file = ROOT / "projects" / "replication" / "policies" / "lower.yaml"
    policy = compile_policy(file.read_text(), file.name).policy
    return Mask(policy, Pseudonyms(environment.encode().ljust(32), policy.generation))


def mirror_once(source: DemoStore, target: DemoStore) -> None:
    """Bring a target level with the source by brute force; what the policy refuses becomes a dead letter, once."""
    mask = mask_of(target.environment)
    kept: set[RecordKey] = set()
    for key, version in current_versions(source).items():
        with refusing(key, target):
            kept.add(mask.key(key))
            if done.get((target.environment, key)) != version:
                mirror_object(source, target, key, mask)
    for key, item in source.items():
        with refusing(key, target):
            masked = mask.item(item, ITEMS)
            assert masked is not None
            kept.add(ITEMS.of_item(masked))
            told = {"environment": target.environment, "replicatedFrom": source.environment}
            told |= {
                "replicatedPolicy": mask.mark(ITEMS.of_item(masked)),
                "replicationTimestamp": "2024-05-06T07:08:09+00:00",
            }
            added = {name: {"S": value} for name, value in told.items()}
            target.dynamodb.put_item(TableName=target.table, Item={**masked, **added})
    for gone in target.object_marks().keys() - kept:
        done.clear()  # it may come back as the version that it was
        target.s3.delete_object(Bucket=target.bucket, Key=gone.object_key)
    for gone in [key for key, _ in target.items() if key not in kept]:
        target.dynamodb.delete_item(TableName=target.table, Key=gone.attributes())


def current_versions(store: DemoStore) -> dict[RecordKey, str]:
    pages = store.s3.get_paginator("list_object_versions").paginate(Bucket=store.bucket)
    listed = (each for page in pages for each in page.get("Versions", []))
    return {OBJECTS.record(each["Key"]): each["VersionId"] for each in listed if each["IsLatest"]}


@contextmanager
def refusing(key: RecordKey, target: DemoStore) -> Iterator[None]:
    try:
        yield
    except Unclassified as error:
        sqs = moto_client("sqs")
        url = sqs.get_queue_url(QueueName=f"prod-{DEAD_LETTERS}")["QueueUrl"]
        event = dict(zip(key.dataset.attribute_names, key.values, strict=True))
        letter = {"event": event, "target": target.environment, "error": {"type": error.kind, "message": str(error)}}
        told.setdefault(url, set())
        if (body := json.dumps(letter)) not in told[url]:
            told[url].add(body)
            sqs.send_message(QueueUrl=url, MessageBody=body)


def mirror_object(source: DemoStore, target: DemoStore, key: RecordKey, mask: Mask) -> None:
    try:
        original: Any = source.s3.get_object(Bucket=source.bucket, Key=key.object_key)
        tags = source.s3.get_object_tagging(Bucket=source.bucket, Key=key.object_key)["TagSet"]
    except source.s3.exceptions.NoSuchKey:
        return  # deleted since it was listed: the next round sees to it
    masked = mask.object(key.object_key, OBJECTS)
    done[target.environment, key] = original["VersionId"]
    body = original["Body"].read()
    if not masked.is_opaque:
        body = b"".join(block.data for block in masked.body().blocks([body]))
    headers = masked.headers({name: str(original[name]) for name in COPIED if name in original})
    provenance = {"replicated-from": source.environment, "replicated-from-version": original["VersionId"]}
    provenance["replicated-policy"] = mask.mark(OBJECTS.record(masked.key))
    target.s3.put_object(
        Bucket=target.bucket,
        Key=masked.key,
        Body=body,
        Metadata={**masked.metadata(original["Metadata"]), **provenance},
        **headers,  # type: ignore[arg-type] # each header has a type of its own
    )
    if kept := masked.tags(tuple((tag["Key"], tag["Value"]) for tag in tags)):
        tag_set: Any = [{"Key": name, "Value": value} for name, value in kept]
        target.s3.put_object_tagging(Bucket=target.bucket, Key=masked.key, Tagging={"TagSet": tag_set})


@pytest.fixture
def mirroring(source: DemoStore, system: SystemOutputs) -> Callable[..., AbstractContextManager[Callable[[], None]]]:
    """Mirror the named targets over and over while the context is open, or until what it gives is called."""

    @contextmanager
    def run(*targets: str) -> Iterator[Callable[[], None]]:
        stop = threading.Event()

        def loop() -> None:
            while not stop.wait(0.2):
                for target in targets:
                    mirror_once(source, DemoStore.of(moto_client, system, target))

        thread = threading.Thread(target=loop)
        thread.start()

        def halt() -> None:
            stop.set()
            thread.join()

        try:
            yield halt
        finally:
            halt()

    return run
