"""An environment's buckets and tables and their contents, read by boto3 alone.

Nothing here knows the replicator: it is what an outsider with the AWS API sees. A state holds an object's digest and
never its bytes, so that a comparison needs no more memory for larger objects.
"""

import hashlib
import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_common.contracts import ReplicationOutputs, StorageOutputs
from pipeline_common.environments import Environment
from pipeline_ops.errors import OperatorError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import KeysAndAttributesTypeDef
    from mypy_boto3_s3 import S3Client

__all__ = [
    "AccountClients",
    "AttributeValue",
    "DemoStore",
    "ItemRef",
    "ItemState",
    "ObjectRef",
    "ObservedObject",
    "System",
    "UnreadableObjectError",
]

AttributeValue: TypeAlias = Mapping[str, Any]
"""An attribute as DynamoDB's API has it: one type's name and the value, such as `{"N": "1"}`."""

ItemState: TypeAlias = Mapping[str, AttributeValue]

HEADERS = (
    "ContentType",
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ExpiresString",
    "WebsiteRedirectLocation",
)
"""What GetObject returns of the headers that an object was written with.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html; encryption and storage
class are each bucket's own policy.
"""

_CHUNK_BYTES = 1024 * 1024
_TRIES = 5
_PAUSE_SECONDS = 0.2


class AccountClients(Protocol):
    """Whatever makes boto3 clients for the system's account."""

    def client(self, service: str, /, *, region: str | None = None) -> Any:
        """Return a boto3 client of the service in the region."""


class System(Protocol):
    """A system that is up: its clients, and the outputs of its stacks by `project/environment`."""

    @property
    def cloud(self) -> AccountClients:
        """Where it runs."""

    @property
    def outputs(self) -> Mapping[str, Mapping[str, Any]]:
        """The stacks' outputs, such as those of `storage/prod`."""


@dataclass(frozen=True)
class ObjectRef:
    """An object, by its key."""

    key: str

    def __str__(self) -> str:
        return self.key


@dataclass(frozen=True)
class ItemRef:
    """An item, by its partition key and its sort key in DynamoDB's own text."""

    id: str
    timestamp: str

    @property
    def key(self) -> dict[str, dict[str, str]]:
        """The item's primary key as the API wants it."""
        return {"id": {"S": self.id}, "timestamp": {"N": self.timestamp}}

    def __str__(self) -> str:
        return f"{self.id} @ {self.timestamp}"


class UnreadableObjectError(OperatorError):
    """An object that can't be read to its end."""

    def __init__(self, environment: str, ref: ObjectRef, error: Exception) -> None:
        self.reason = f"can't be read in {environment}: {error}"
        super().__init__(f"{ref} {self.reason}")


@dataclass(frozen=True)
class ObservedObject:
    """All that a reader of an object can see of it."""

    size: int
    sha256: str
    version_id: str | None
    headers: Mapping[str, str]
    metadata: Mapping[str, str]
    tags: Mapping[str, str]


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
    def of(cls, system: System, environment: str) -> Self:
        """Return the environment's storage as its stack's outputs name it.

        Raises KeyError if no such stack is up, MissingOutputError if an output of it is not there.
        """
        outputs = StorageOutputs.parse(system.outputs[f"{StorageOutputs.PROJECT}/{environment}"])
        return cls(
            environment=environment,
            bucket=outputs.bucket_name,
            table=outputs.table_name,
            s3=system.cloud.client("s3", region=outputs.region),
            dynamodb=system.cloud.client("dynamodb", region=outputs.region),
        )

    @classmethod
    def source_of(cls, system: System) -> Self:
        """Return the storage that the system's one replication reads."""
        (source,) = (
            environment
            for project, _, environment in (stack.partition("/") for stack in system.outputs)
            if project == ReplicationOutputs.PROJECT
        )
        return cls.of(system, source)

    @classmethod
    def targets_of(cls, system: System, source: str) -> list[Self]:
        """Return the storage of each target that the source's replication has a route to."""
        outputs = system.outputs[f"{ReplicationOutputs.PROJECT}/{source}"]
        beside = Environment.parse(source).beside
        return [cls.of(system, str(beside(target))) for target in ReplicationOutputs.parse(outputs).routes]

    def object(self, ref: ObjectRef) -> ObservedObject | None:
        """Read an object whole, or return None if it has no current version.

        A read that is cut off, as by a write meanwhile, is tried again. Raises UnreadableObjectError for what stays so.
        """
        tried = 0
        while True:
            try:
                return self._object(ref)
            except (BotoCoreError, ClientError) as error:
                tried += 1
                if tried == _TRIES:
                    raise UnreadableObjectError(self.environment, ref, error) from error
            time.sleep(_PAUSE_SECONDS)

    def _object(self, ref: ObjectRef) -> ObservedObject | None:
        try:
            response = self.s3.get_object(Bucket=self.bucket, Key=ref.key)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
                return None
            raise
        digest, size = hashlib.sha256(), 0
        with closing(response["Body"]) as body:
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
        fields: Mapping[str, Any] = {**response}
        return ObservedObject(
            size=size,
            sha256=digest.hexdigest(),
            version_id=response.get("VersionId"),
            headers={name: str(fields[name]) for name in HEADERS if fields.get(name)},
            metadata=response["Metadata"],
            tags=self._tags(ref, response.get("VersionId")),
        )

    def _tags(self, ref: ObjectRef, version_id: str | None) -> Mapping[str, str]:
        version: dict[str, Any] = {"VersionId": version_id} if version_id else {}
        try:
            response = self.s3.get_object_tagging(Bucket=self.bucket, Key=ref.key, **version)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "NoSuchVersion"}:  # gone since its bytes were read
                return {}
            raise
        return {tag["Key"]: tag["Value"] for tag in response["TagSet"]}

    def item(self, ref: ItemRef) -> ItemState | None:
        """Read an item consistently, or return None if there is none."""
        response = self.dynamodb.get_item(TableName=self.table, Key=ref.key, ConsistentRead=True)
        return response.get("Item")

    def object_refs(self) -> Iterator[ObjectRef]:
        """List every object that has a current version."""
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            for entry in page.get("Contents", []):
                yield ObjectRef(entry["Key"])

    def object_marks(self, refs: Collection[ObjectRef]) -> dict[ObjectRef, str]:
        """Tell by one listing which of these objects are there, each with a mark that most changes of it change."""
        prefix = os.path.commonprefix([ref.key for ref in refs])  # noqa: RUF071 - S3's prefixes are text, too
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        listed = {
            ObjectRef(entry["Key"]): f"{entry['ETag']} {entry['LastModified'].isoformat()}"
            for page in pages
            for entry in page.get("Contents", [])
        }
        return {ref: listed[ref] for ref in refs if ref in listed}

    def items_of(self, refs: Collection[ItemRef]) -> dict[ItemRef, ItemState]:
        """Read those of these items, at most 100, that there are."""
        asked: dict[str, KeysAndAttributesTypeDef]
        asked = {self.table: {"Keys": [ref.key for ref in refs], "ConsistentRead": True}}
        found = self.dynamodb.batch_get_item(RequestItems=asked)["Responses"].get(self.table, [])
        return {ItemRef(item["id"]["S"], item["timestamp"]["N"]): item for item in found}

    def items(self) -> Iterator[tuple[ItemRef, ItemState]]:
        """Scan the table consistently."""
        for page in self.dynamodb.get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True):
            for item in page["Items"]:
                yield ItemRef(item["id"]["S"], item["timestamp"]["N"]), item
