"""Three environments in moto, and a mirror that does by brute force what the replicator does."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.config import Config
from moto import mock_aws

from pipeline_common.contracts import ReplicationOutputs, RouteOutputs, StorageOutputs, StoredDataset
from pipeline_ops.demo.stores import DemoStore, SystemOutputs
from replication_core.datasets import ITEMS, OBJECTS

REGION = "eu-west-1"
TARGETS = ("dev", "staging")
COPIED = ("ContentType", "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "Expires")


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
        for environment in ("prod", *TARGETS):
            outputs[f"storage/{environment}"] = values = storage_outputs(environment)
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
        unused = dict.fromkeys(REPLICATION_FIELDS, "unused")
        outputs["replication/prod"] = {**unused, **routes, "targets": ",".join(TARGETS)}
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


def mirror_once(source: DemoStore, target: DemoStore) -> None:
    keys = source.object_marks().keys()
    for gone in target.object_marks().keys() - keys:
        if gone.object_key.startswith("demo/"):  # what never was in the source is none of a replicator's business
            target.s3.delete_object(Bucket=target.bucket, Key=gone.object_key)
    for key in keys:
        mirror_object(source, target, key.object_key)
    items = dict(source.items())
    for gone_item in [key for key, _ in target.items() if key not in items]:
        target.dynamodb.delete_item(TableName=target.table, Key=gone_item.attributes())
    for item in items.values():
        added = {
            "environment": {"S": target.environment},
            "replicatedFrom": {"S": source.environment},
            "replicationTimestamp": {"S": "2024-05-06T07:08:09.123456+00:00"},
        }
        target.dynamodb.put_item(TableName=target.table, Item={**item, **added})


def mirror_object(source: DemoStore, target: DemoStore, key: str) -> None:
    try:
        original = source.s3.get_object(Bucket=source.bucket, Key=key)
        tags = source.s3.get_object_tagging(Bucket=source.bucket, Key=key)["TagSet"]
    except source.s3.exceptions.NoSuchKey:
        return  # deleted since it was listed: the next round sees to it
    headers: Mapping[str, Any] = {**original}
    target.s3.put_object(
        Bucket=target.bucket,
        Key=key,
        Body=original["Body"].read(),
        Metadata={
            **original["Metadata"],
            "replicated-from": source.environment,
            "replicated-from-version": original["VersionId"],
        },
        **{name: headers[name] for name in (*COPIED, "WebsiteRedirectLocation") if name in headers},
    )
    if tags:
        target.s3.put_object_tagging(Bucket=target.bucket, Key=key, Tagging={"TagSet": tags})


@pytest.fixture
def mirroring(source: DemoStore, system: SystemOutputs) -> Callable[..., AbstractContextManager[None]]:
    """Mirror the named targets over and over while the context is open."""

    @contextmanager
    def run(*targets: str) -> Iterator[None]:
        stop = threading.Event()

        def loop() -> None:
            while not stop.wait(0.05):
                for target in targets:
                    mirror_once(source, DemoStore.of(moto_client, system, target))

        thread = threading.Thread(target=loop)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    return run
