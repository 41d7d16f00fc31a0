"""A source and its target, and what an outsider sees in them: nothing here is the replicator's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Self, cast

from boto3.dynamodb.types import Binary, TypeDeserializer
from botocore.config import Config

from local_cloud.clients import ClientFactory
from replication_core.clients import Clients, connect
from replication_core.comparing.sides import Sides
from replication_core.datasets import Dataset
from replication_core.replicator import Replicator, build_replicator
from replication_core.route_spec import RoutedDataset
from tests.integration.other_implementations.servers import Server
from tests.made_route import MadeRoute

__all__ = ["ADDED", "REGION", "Site"]

REGION = "us-east-1"
ADDED = ("environment", "replicatedFrom", "replicationTimestamp")
HEADERS = ("ContentType", "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage")
MARKS = "replicated-"


@dataclass(frozen=True)
class Site:
    """Two buckets, or two tables, or both, named after one test."""

    settings: MadeRoute
    s3: Any
    """A client of the test's own, or None."""

    dynamodb: Any

    @classmethod
    def make(cls, name: str, s3: Server | None, dynamodb: Server | None, *, versioned: bool = True) -> Self:
        """Create what it consists of; without versions only where that is asked for."""
        source, target = f"prod-{name}", f"dev-{name}"
        settings = MadeRoute(
            target="dev",
            source_environment="prod",
            source_bucket=source,
            source_table=source,
            source_region=REGION,
            target_bucket=target,
            target_table=target,
            target_region=REGION,
            queue_url="http://127.0.0.1:9/queue",
            dlq_url="http://127.0.0.1:9/dead-letters",
            success_topic_arn=f"arn:aws:sns:{REGION}:000000000000:success",
            failure_topic_arn=f"arn:aws:sns:{REGION}:000000000000:failure",
        )
        site = cls(settings, _client(s3, "s3"), _client(dynamodb, "dynamodb"))
        for one in (source, target):
            if site.s3:
                site.s3.create_bucket(Bucket=one)
                if versioned:
                    site.s3.put_bucket_versioning(Bucket=one, VersioningConfiguration={"Status": "Enabled"})
            if site.dynamodb:
                site.dynamodb.create_table(
                    TableName=one,
                    BillingMode="PAY_PER_REQUEST",
                    KeySchema=[
                        {"AttributeName": "id", "KeyType": "HASH"},
                        {"AttributeName": "timestamp", "KeyType": "RANGE"},
                    ],
                    AttributeDefinitions=[
                        {"AttributeName": "id", "AttributeType": "S"},
                        {"AttributeName": "timestamp", "AttributeType": "N"},
                    ],
                )
                site.dynamodb.get_waiter("table_exists").wait(TableName=one, WaiterConfig={"Delay": 1})
        return site

    @cached_property
    def clients(self) -> Clients:
        """The replicator's own clients, as it makes them itself from its environment."""
        return connect(self.settings.spec, connections=16)

    def replicator(self, **options: Any) -> Replicator:
        """Return a replicator of the route."""
        return build_replicator(self.settings.spec, self.clients, threads=8, part_threads=4, **options)

    def sides(self) -> Sides:
        """Return what is compared."""
        return Sides.of(self.settings.spec, self.clients)

    def routed(self, dataset: Dataset) -> RoutedDataset:
        """Return what the route replicates of a dataset."""
        routed = self.settings.spec.dataset(dataset.name)
        assert routed is not None
        return routed

    def objects(self, bucket: str) -> dict[str, Any]:
        """Return all that a reader sees of each object, but for the replicator's marks."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {entry["Key"]: self._object(bucket, entry) for page in pages for entry in page.get("Contents", ())}

    def objects_named(self, bucket: str) -> set[str]:
        """Return the keys of the bucket's objects."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {entry["Key"] for page in pages for entry in page.get("Contents", ())}

    def _object(self, bucket: str, entry: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = self.s3.get_object(Bucket=bucket, Key=entry["Key"])
        tags = self.s3.get_object_tagging(Bucket=bucket, Key=entry["Key"])["TagSet"]
        body = answer["Body"].read()
        assert len(body) == entry["Size"]
        return {
            "body": body,
            "metadata": {name: text for name, text in answer["Metadata"].items() if not name.startswith(MARKS)},
            "tags": {tag["Key"]: tag["Value"] for tag in tags if not tag["Key"].startswith(MARKS)},
            **{name: answer.get(name) for name in HEADERS},
        }

    def items(self, table: str) -> dict[tuple[str, Decimal], Any]:
        """Return each item's attributes as Python's values, by its key."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return dict(_python(item) for page in pages for item in page["Items"])


def _client(server: Server | None, service: str) -> Any:
    # The gateway tells the whole source's checksum of each part that was copied, and so a wrong one of them together.
    config = Config(response_checksum_validation="when_required")
    return ClientFactory(server.endpoint, server.credentials).client(service, REGION, config) if server else None


class _Exact(TypeDeserializer):
    """Reads numbers of any spelling, at which boto3's own stumbles: it counts zeros at the end as digits."""

    def _deserialize_n(self, value: str) -> Decimal:
        return Decimal(value)


def _python(item: Mapping[str, Any]) -> tuple[tuple[str, Decimal], dict[str, Any]]:
    read = _Exact().deserialize
    values = {name: _plain(read(value)) for name, value in item.items()}
    return (values["id"], values["timestamp"]), values


def _plain(value: Any) -> Any:
    match value:
        case bool():
            return "true" if value else "false", bool  # Python takes True for the number 1
        case Binary():
            return cast("Any", value).value
        case set():
            return {_plain(one) for one in value}
        case list():
            return [_plain(one) for one in value]
        case dict():
            return {name: _plain(one) for name, one in value.items()}
        case _:
            return value
