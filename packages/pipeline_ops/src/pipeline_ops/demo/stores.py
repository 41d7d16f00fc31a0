"""An environment's bucket and table and their contents, read by boto3 alone.

Nothing here knows the replicator: it is what an outsider with the AWS API sees. A state holds an object's digest, and
its bytes only where they are few, so that a comparison needs no more memory for larger objects.
"""

import hashlib
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_common.contracts import ReplicationOutputs, StorageOutputs
from pipeline_common.environments import Environment
from pipeline_ops.clients import ClientMaker
from pipeline_ops.errors import OperatorError
from replication_core.datasets import ITEMS, OBJECTS, RecordKey

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

__all__ = ["DemoStore", "ObservedItem", "ObservedObject", "SystemOutputs", "UnreadableObjectError"]

ObservedItem: TypeAlias = Mapping[str, Mapping[str, Any]]
"""An item's attributes as DynamoDB's API has them: each one type's name and the value, such as `{"N": "1"}`."""

SystemOutputs: TypeAlias = Mapping[str, Mapping[str, Any]]
"""The outputs of a system's stacks by `project/environment`, such as those of `storage/prod`."""

HEADERS = (
    *("ContentType", "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage"),
    *("ExpiresString", "WebsiteRedirectLocation"),
)
"""What GetObject returns of the headers that an object was written with.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html; encryption and storage
class are each bucket's own policy.
"""

CONTENT_BYTES = _CHUNK_BYTES = 1024 * 1024
_TRIES = 5
_PAUSE_SECONDS = 0.2


class UnreadableObjectError(OperatorError):
    """An object that can't be read to its end."""

    def __init__(self, environment: str, key: RecordKey, error: Exception) -> None:
        self.reason = f"can't be read in {environment}: {error}"
        super().__init__(f"{key} {self.reason}")


@dataclass(frozen=True)
class ObservedObject:
    """All that a reader of an object can see of it."""

    size: int
    sha256: str
    version_id: str | None
    headers: Mapping[str, str]
    metadata: Mapping[str, str]
    tags: Mapping[str, str]
    content: bytes | None = field(default=None, repr=False)
    """The bytes of an object that has no more than CONTENT_BYTES."""


@dataclass(frozen=True)
class DemoStore:
    """One environment's bucket and table."""

    environment: str
    """As its stacks are named."""

    bucket: str
    table: str
    s3: "S3Client"
    dynamodb: "DynamoDBClient"

    @classmethod
    def of(cls, client: ClientMaker, outputs: SystemOutputs, environment: str) -> Self:
        """Return the environment's storage as its stack's outputs name it."""
        storage = StorageOutputs.parse(outputs[f"{StorageOutputs.PROJECT}/{environment}"])
        return cls(
            environment=environment,
            bucket=storage.bucket_name,
            table=storage.table_name,
            s3=client("s3", region=storage.region),
            dynamodb=client("dynamodb", region=storage.region),
        )

    @classmethod
    def replicated(cls, client: ClientMaker, outputs: SystemOutputs) -> tuple[Self, list[Self]]:
        """Return the storage that the system's one replication reads, and that of each of its targets."""
        (stack,) = (name for name in outputs if name.startswith(f"{ReplicationOutputs.PROJECT}/"))
        source = Environment.parse(stack.partition("/")[2])
        targets = [str(source.beside(target)) for target in ReplicationOutputs.parse(outputs[stack]).routes]
        return cls.of(client, outputs, str(source)), [cls.of(client, outputs, target) for target in targets]

    def read(self, key: RecordKey) -> ObservedObject | ObservedItem | None:
        """Read an object whole, or an item; None where there is none. Raises UnreadableObjectError."""
        return self.object(key) if key.dataset.is_bucket else self.items_of([key]).get(key)

    def object(self, key: RecordKey) -> ObservedObject | None:
        """Read an object whole, again where it is cut off; None where none is there. Raises UnreadableObjectError."""
        for left in reversed(range(_TRIES)):
            try:
                return self._object(key.object_key)
            except (BotoCoreError, ClientError) as error:
                if not left:
                    raise UnreadableObjectError(self.environment, key, error) from error
            time.sleep(_PAUSE_SECONDS)
        return None

    def _object(self, key: str) -> ObservedObject | None:
        try:
            response: Mapping[str, Any] = {**self.s3.get_object(Bucket=self.bucket, Key=key)}
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
                return None
            raise
        digest, size, content = hashlib.sha256(), 0, b""
        with closing(response["Body"]) as body:
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
                content = content + chunk if size <= CONTENT_BYTES else b""
        return ObservedObject(
            size=size,
            sha256=digest.hexdigest(),
            version_id=response.get("VersionId"),
            headers={name: str(response[name]) for name in HEADERS if response.get(name)},
            metadata=response["Metadata"],
            tags=self._tags(key, response.get("VersionId")),
            content=content if size <= CONTENT_BYTES else None,
        )

    def _tags(self, key: str, version_id: str | None) -> Mapping[str, str]:
        version: dict[str, Any] = {"VersionId": version_id} if version_id else {}
        try:
            response = self.s3.get_object_tagging(Bucket=self.bucket, Key=key, **version)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "NoSuchVersion"}:  # gone since its bytes were read
                return {}
            raise
        return {tag["Key"]: tag["Value"] for tag in response["TagSet"]}

    def object_marks(self, prefix: str = "") -> dict[RecordKey, str]:
        """List the objects that have a current version, each with a mark that most changes of it change."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return {
            OBJECTS.record(entry["Key"]): f"{entry['ETag']} {entry['LastModified'].isoformat()}"
            for page in pages
            for entry in page.get("Contents", [])
        }

    def items_of(self, keys: Collection[RecordKey]) -> dict[RecordKey, ObservedItem]:
        """Read those of these items, at most 100, that there are, consistently."""
        asked: Any = {self.table: {"Keys": [key.attributes() for key in keys], "ConsistentRead": True}}
        found = self.dynamodb.batch_get_item(RequestItems=asked)["Responses"].get(self.table, [])
        return {ITEMS.of_item(item): item for item in found}

    def items(self) -> Iterator[tuple[RecordKey, ObservedItem]]:
        """Scan the table consistently."""
        for page in self.dynamodb.get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True):
            for item in page["Items"]:
                yield ITEMS.of_item(item), item
