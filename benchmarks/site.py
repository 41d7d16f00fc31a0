"""Where the designs run: one source and its targets, made anew at an endpoint, and what changes in them."""

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

from botocore.config import Config

from benchmarks.network import Network
from local_cloud import ANYBODY, Credentials
from local_cloud.clients import ClientFactory
from replication_core.datasets import ITEMS, OBJECTS, RecordKey
from replication_core.masking.mask import Mask

__all__ = ["SOURCE", "TARGETS", "Site"]

SOURCE = "prod"
TARGETS = ("dev", "staging")
_REGION = "us-east-1"
_WRITES_PER_CALL = 25


@cache
def _factory(endpoint: str, key: Credentials) -> ClientFactory:
    return ClientFactory(endpoint, key)


@dataclass(frozen=True)
class Site:
    """A bucket and a table per environment, named after one run, behind one endpoint."""

    endpoint: str
    key: Credentials
    run: str
    topic_arn: str

    @classmethod
    def make(cls, endpoint: str, key: Credentials = ANYBODY) -> Self:
        """Create the buckets, versioned, the tables, and a topic for the notifications."""
        run = uuid.uuid4().hex[:8]
        topic = _factory(endpoint, key).client("sns", _REGION, None).create_topic(Name=f"bench-{run}")
        site = cls(endpoint, key, run, topic["TopicArn"])
        s3, dynamodb = site.client("s3"), site.client("dynamodb")
        for environment in (SOURCE, *TARGETS):
            name = site.name(environment)
            s3.create_bucket(Bucket=name)
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
            dynamodb.create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[
                    {"AttributeName": each.name, "AttributeType": each.type.value} for each in ITEMS.key
                ],
                KeySchema=[
                    {"AttributeName": each.name, "KeyType": kind}
                    for each, kind in zip(ITEMS.key, ("HASH", "RANGE"), strict=True)
                ],
            )
        return site

    def name(self, environment: str) -> str:
        """Return the name of the environment's bucket, which is its table's too."""
        return f"bench-{self.run}-{environment}"

    def client(self, service: str, network: Network | None = None, config: Config | None = None) -> Any:
        """Return a client, whose requests go over the network that is given."""
        client = _factory(self.endpoint, self.key).client(service, _REGION, config)
        if network is not None:
            network.watch(client)
        return client

    def put_objects(self, count: int, *, size: int = 16 * 1024, tags: str = "", start: int = 0) -> list[RecordKey]:
        """Write so many objects to the source, and return their keys."""
        s3, body = self.client("s3"), os.urandom(size)
        keys = [OBJECTS.record(f"object/{number:07d}.bin") for number in range(start, start + count)]
        tagged: dict[str, Any] = {"Tagging": tags} if tags else {}
        for key in keys:
            s3.put_object(
                Bucket=self.name(SOURCE),
                Key=key.object_key,
                Body=body,
                ContentType="application/octet-stream",
                Metadata={"owner": "benchmark"},
                **tagged,
            )
        return keys

    def delete_objects(self, keys: Sequence[RecordKey]) -> None:
        """Delete these objects from the source."""
        s3 = self.client("s3")
        for key in keys:
            s3.delete_object(Bucket=self.name(SOURCE), Key=key.object_key)

    def put_items(self, count: int, make: Callable[[RecordKey], dict[str, Any]] | None = None) -> list[RecordKey]:
        """Write so many items of about 300 bytes to the source, and return their keys."""
        dynamodb = self.client("dynamodb")
        keys = [ITEMS.record(f"order-{number:07d}", "1700000000") for number in range(count)]
        for start in range(0, count, _WRITES_PER_CALL):
            requests = [
                {"PutRequest": {"Item": (make or _item)(key)}} for key in keys[start : start + _WRITES_PER_CALL]
            ]
            dynamodb.batch_write_item(RequestItems={self.name(SOURCE): requests})
        return keys

    def check_level(self, key: RecordKey, mask: Mask | None = None) -> None:
        """Check that a key's replica is right in every target, so that no design is fast by doing nothing.

        Right is what a mask makes of an item, where there is one.
        """
        wanted = self._read(SOURCE, key)
        if mask:
            key, wanted = mask.key(key), mask.item(wanted, key.dataset) or {}
        for target in TARGETS:
            found = self._read(target, key)
            if any(found.get(name) != value for name, value in wanted.items()):
                raise RuntimeError(f"{key} in {target} is not as in {SOURCE}")

    def _read(self, environment: str, key: RecordKey) -> Mapping[str, Any]:
        name = self.name(environment)
        if key.dataset.is_bucket:
            answer = self.client("s3").get_object(Bucket=name, Key=key.object_key)
            return {"body": answer["Body"].read(), "type": answer["ContentType"], "owner": answer["Metadata"]["owner"]}
        item = self.client("dynamodb").get_item(TableName=name, Key=key.attributes())["Item"]
        return {name: value for name, value in item.items() if name != "environment"}


def _item(key: RecordKey) -> dict[str, Any]:
    return {
        **key.attributes(),
        "environment": {"S": SOURCE},
        "total": {"N": "12345678901234567890.12345678901234567"},
        "lines": {"L": [{"M": {"sku": {"S": f"sku-{number}"}, "count": {"N": "2"}}} for number in range(5)]},
        "note": {"S": os.urandom(50).hex()},
    }
