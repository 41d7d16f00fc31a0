# ruff: noqa: N803 - the arguments have boto3's own names
"""Masked objects end as the policy has them, whatever happens on the way: their store under random histories.

As in `test_model`, but of the objects' store nothing is played but the calls to S3: bodies are masked, in parts where
they are large, and what an invocation has no time for another one goes on with. Meanwhile the policy's key is rotated:
functions of two versions work at the same time, by two policies, and at the end the newer one alone.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import Phase, given, settings

from replication_core.datasets import OBJECTS
from replication_core.desired import desired_object
from replication_core.masking import bodies
from replication_core.masking.mask import Mask
from replication_core.masking.refusals import Unclassified
from replication_core.objects.large_copy import LargeCopy
from replication_core.objects.masked_copy import MaskedCopy
from replication_core.objects.provenance import own_tags
from replication_core.objects.s3 import ObjectStore, S3Objects
from replication_core.objects.states import Head, ObjectState, Tags
from replication_core.replicas import PROVENANCE_POLICY
from tests.made_policies import KEEP, made_mask, policy, pseudonym
from tests.made_route import MadeRoute
from tests.unit.replication_core.interleaving import step
from tests.unit.replication_core.test_model import (
    LONG_TAPES,
    MODEL,
    History,
    Tape,
    UnconfirmedObjects,
)

ROUTE = MadeRoute(source_bucket="prod", source_table="table", target_bucket="dev").spec
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BLOCK_BYTES = 40
PART_BYTES = 60

MASKED, OPAQUE = [f"in/{name}.jsonl" for name in ("ann", "bob")], "assets/logo"


def _rule(match: str, key: Mapping[str, Any], body: Any) -> dict[str, Any]:
    others = {"*": {"rule": "drop", "line": 1}}
    told = {"headers": others, "metadata": {"n": KEEP, **others}, "tags": {"state": KEEP, **others}}
    return {"match": match, "line": 1, "key": key, "body": body, **told}


def _policy(key: Mapping[str, Any], n: Mapping[str, Any] = KEEP, **changes: Any) -> dict[str, Any]:
    fields = [["who", pseudonym("who")], ["n", n]]
    rules = [
        _rule("in/{who}.jsonl", {"who": key}, {"format": "json-lines", "fields": fields}),
        _rule("assets/**", {}, {"opaque": "made up"}),
    ]
    travels = [{"attribute": "state", "op": "not", "value": {"S": "closed"}}]
    return policy(buckets={"objects": {"rules": rules, "tags": travels, "deletes": "mirror"}}, **changes)


CURRENT = _policy(pseudonym("who"), generation=2)
FORMER = {
    "of another generation": {**CURRENT, "generation": 1},
    "of keys that are kept": _policy(KEEP, generation=2),
    "of the same keys": _policy(pseudonym("who"), {"rule": "last", "line": 1, "characters": 3}, generation=2),
}


@dataclass(frozen=True)
class Stored:
    """A version of an object."""

    version: str | None
    body: bytes
    metadata: Mapping[str, str]
    tags: Tags
    parts: int = 0

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.body).hexdigest()}-{self.parts}"'


def refused(code: str, **headers: str) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPHeaders": headers}}, "Call")  # type: ignore[typeddict-item]


def _tags_of(tagging: str) -> Tags:
    return tuple(
        sorted((name, value) for name, _, value in (pair.partition("=") for pair in tagging.split("&") if pair))
    )


@dataclass
class PlayedS3:
    """Two buckets, of each key its versions with the current one last; None is a delete marker."""

    versioned: bool
    versions: dict[tuple[str, str], list[Stored | None]] = field(default_factory=dict)
    uploads: dict[str, Any] = field(default_factory=dict)
    made: int = 0
    meta: Any = field(default_factory=lambda: SimpleNamespace(events=SimpleNamespace(register=lambda *_: None)))

    def put(
        self, bucket: str, key: str, body: bytes, metadata: Mapping[str, str], tags: Tags, parts: int = 0
    ) -> Stored:
        self.made += 1
        new = Stored(f"v{self.made}" if self.versioned else None, body, metadata, tags, parts)
        there = self.versions.setdefault((bucket, key), [])
        if not self.versioned:
            there.clear()
        there.append(new)
        return new

    def remove(self, bucket: str, key: str) -> None:
        if self.versioned:
            self.versions.setdefault((bucket, key), []).append(None)
        else:
            self.versions.pop((bucket, key), None)

    def current(self, bucket: str, key: str) -> Stored | None:
        return next(iter(self.versions.get((bucket, key), [])[-1:]), None)

    def keys(self, bucket: str) -> set[str]:
        return {key for held, key in self.versions if held == bucket and self.current(bucket, key)}

    def _found(self, bucket: str, key: str, version: str | None) -> Stored:
        there = self.versions.get((bucket, key), [])
        if version is not None:
            found = next((each for each in there if each and each.version == version), None)
            if found is None:
                raise refused("NoSuchVersion")
            return found
        if not there:
            raise refused("NoSuchKey")
        if there[-1] is None:
            raise refused("NoSuchKey", **{"x-amz-delete-marker": "true"})
        return there[-1]

    # What is called

    def head_bucket(self, **_: Any) -> None:
        step(lambda: None)

    def head_object(self, Bucket: str, Key: str, VersionId: str | None = None, **_: Any) -> Any:
        found = step(lambda: self._found(Bucket, Key, VersionId))
        return {
            **({"VersionId": found.version} if found.version else {}),
            "ETag": found.etag,
            "ContentLength": len(found.body),
            "LastModified": NOON,
            "Metadata": dict(found.metadata),
            "TagCount": len(found.tags),
        }

    def get_object_tagging(self, Bucket: str, Key: str, VersionId: str | None = None) -> Any:
        found = step(lambda: self._found(Bucket, Key, VersionId))
        tags = [{"Key": name, "Value": value} for name, value in found.tags]
        return {"TagSet": tags, **({"VersionId": found.version} if found.version else {})}

    def get_object(
        self,
        Bucket: str,
        Key: str,
        IfMatch: str,
        VersionId: str | None = None,
        Range: str = "",
    ) -> Any:
        found = step(lambda: self._found(Bucket, Key, VersionId))
        if found.etag != IfMatch:
            raise refused("PreconditionFailed")
        start = int(Range.removeprefix("bytes=").removesuffix("-") or 0)
        told = {"ContentRange": f"bytes {start}-"} if Range else {}
        return {"ETag": found.etag, "Body": _Slowly(found.body[start:]), **told}

    def put_object(self, Bucket: str, Key: str, Body: Any, Metadata: Any, Tagging: str = "", **_: Any) -> Any:
        made = step(lambda: self.put(Bucket, Key, Body.read(), Metadata, _tags_of(Tagging)))
        return {"ETag": made.etag, "VersionId": made.version}

    def copy_object(
        self,
        Bucket: str,
        Key: str,
        CopySource: Any,
        CopySourceIfMatch: str,
        Metadata: Any,
        Tagging: str = "",
        **_: Any,
    ) -> Any:
        found = step(lambda: self._found(CopySource["Bucket"], CopySource["Key"], CopySource.get("VersionId")))
        if found.etag != CopySourceIfMatch:
            raise refused("PreconditionFailed")
        made = step(lambda: self.put(Bucket, Key, found.body, Metadata, _tags_of(Tagging)))
        return {"CopyObjectResult": {"ETag": made.etag}, "VersionId": made.version}

    def put_object_tagging(self, Bucket: str, Key: str, Tagging: Any, VersionId: str | None = None) -> None:
        tags = tuple(sorted((tag["Key"], tag["Value"]) for tag in Tagging["TagSet"]))

        def land() -> None:
            found = self._found(Bucket, Key, VersionId)
            there = self.versions[Bucket, Key]
            there[there.index(found)] = replace(found, tags=tags)

        step(land)

    def delete_object(self, Bucket: str, Key: str) -> None:
        step(lambda: self.remove(Bucket, Key))

    def create_multipart_upload(self, Bucket: str, Key: str, Metadata: Any, Tagging: str = "", **_: Any) -> Any:
        def land() -> str:
            self.made += 1
            self.uploads[f"u{self.made}"] = (Bucket, Key, Metadata, _tags_of(Tagging), {})
            return f"u{self.made}"

        return {"UploadId": step(land)}

    def _upload(self, upload: str) -> Any:
        if upload not in self.uploads:
            raise refused("NoSuchUpload")
        return self.uploads[upload]

    def upload_part(self, UploadId: str, PartNumber: int, Body: Any, ChecksumCRC32: str, **_: Any) -> Any:
        data = Body.read()

        def land() -> None:
            self._upload(UploadId)[4][PartNumber] = (data, ChecksumCRC32)

        step(land)
        return {"ETag": ChecksumCRC32}

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_parts"
        return SimpleNamespace(paginate=self._list_parts)

    def _list_parts(self, UploadId: str, **_: Any) -> Any:
        parts = step(lambda: dict(self._upload(UploadId)[4]))
        yield {
            "Parts": [
                {"PartNumber": number, "Size": len(data), "ETag": crc, "ChecksumCRC32": crc}
                for number, (data, crc) in sorted(parts.items())
            ]
        }

    def complete_multipart_upload(self, UploadId: str, MultipartUpload: Any, **_: Any) -> Any:
        def land() -> Stored:
            bucket, key, metadata, tags, parts = self._upload(UploadId)
            data = [parts[part["PartNumber"]] for part in MultipartUpload["Parts"]]
            if [crc for _, crc in data] != [part["ETag"] for part in MultipartUpload["Parts"]]:
                raise refused("InvalidPart")
            del self.uploads[UploadId]
            return self.put(bucket, key, b"".join(each for each, _ in data), metadata, tags, len(data))

        made = step(land)
        return {"ETag": made.etag, "VersionId": made.version}

    def abort_multipart_upload(self, UploadId: str, **_: Any) -> None:
        step(lambda: self.uploads.pop(UploadId, None))


class _Slowly(BytesIO):
    """A stream that gives few bytes at a time."""

    def read(self, most: int | None = -1) -> bytes:
        return super().read(min(most or 0, 128))


@dataclass
class MaskedObjects:
    """A bucket and its replica, by a policy at first, after a rotation by two at the same time, and at the end by one.

    A change may leave a body that they refuse, one of several parts, or a tag by which the object does not travel.
    """

    former: dict[str, Any]
    versioned: bool
    make: type[ObjectStore] = ObjectStore
    clock: int = 0
    pressure: int = 0
    """How often an invocation is told that its time is over, before there is time enough for all."""

    stores: int = 0

    def __post_init__(self) -> None:
        self.masks = [made_mask(self.former)]
        self.s3 = PlayedS3(self.versioned)
        s3: Any = self.s3
        self.clients: Any = SimpleNamespace(source_s3=s3, target_s3=s3, copying_s3=s3)

    @property
    def store(self) -> ObjectStore:
        """The store of a function's version: of the one or of the other, as long as both are there."""
        self.stores += 1
        mask = self.masks[self.stores % len(self.masks)]
        client = self.clients.copying_s3
        masked_copy = MaskedCopy(client=client, part_size=PART_BYTES, out_of_time=self.out_of_time)
        calls = S3Objects(
            clients=self.clients,
            route=ROUTE,
            routed=ROUTE.routed[0],
            large_copy=LargeCopy(client=client, executor=ThreadPoolExecutor(1)),
            masked_copy=lambda: masked_copy,
            # A step, since KMS may be away as well.
            mask=lambda: step(lambda: mask),
        )
        return self.make(calls)

    def out_of_time(self) -> bool:
        self.pressure -= 1
        return self.pressure > 0 and self.pressure % 7 == 0

    def change(self, pick: int) -> str:
        self.clock += 1
        self.pressure += 15
        if pick % 11 == 0 and len(self.masks) == 1:
            self.masks.append(made_mask(CURRENT))
        key = [*MASKED, OPAQUE][pick % 3]
        kind, variant = pick // 3 % 5, pick // 15
        there = self.s3.current("prod", key)
        if kind == 4:
            self.s3.remove("prod", key)
        elif kind == 3 and there is not None:
            versions = self.s3.versions["prod", key]
            versions[-1] = replace(there, tags=(("state", ("open", "closed")[variant % 2]),))
        else:
            records = [{"who": "ann", "n": f"{self.clock}-{number}"} for number in range((1, 9)[variant % 2])]
            refused: list[dict[str, str]] = [{"surprise": "secret"}] if variant >= 2 and key != OPAQUE else []
            body = b"".join(json.dumps(record).encode() + b"\n" for record in [*records, *refused])
            tags = (("state", "open"),) if kind == 2 else ()
            self.s3.put("prod", key, body, {"n": str(variant), "owner": "ann"}, tags)
        return key

    def activate(self) -> Collection[str]:
        """Have the newer policy alone from now on, delete what is under no key of its, and begin a backfill.

        Without a rotation there is nothing to do.
        """
        if len(self.masks) == 1:
            return ()
        self.masks = self.masks[1:]
        keys = [*MASKED, OPAQUE]
        for key in self.s3.keys("dev") - {self._place(key) for key in keys}:
            self.s3.remove("dev", key)
        return keys

    def _place(self, key: str) -> str:
        return self.masks[0].key(OBJECTS.record(key)).object_key

    def is_level(self, given_up: Collection[str]) -> bool:
        (mask,) = self.masks
        left = {key: self.s3.current("dev", key) for key in self.s3.keys("dev")}
        for key in [*MASKED, OPAQUE]:
            found, source = left.pop(self._place(key), None), self.s3.current("prod", key)
            wanted, mark = self._wanted(mask, key, source) if source else (None, "")
            if isinstance(wanted, Unclassified):
                # Only what the policy has made of a former state may be there.
                if key not in given_up or (found and found.metadata[PROVENANCE_POLICY] != mark):
                    return False
            elif wanted != (found and (found.body, dict(found.metadata), own_tags(found.tags))):
                return False
        return not left

    def _wanted(self, mask: Mask, key: str, source: Stored) -> tuple[Any, str]:
        """Return what the replica is to be, None where there is to be none, or the refusal; and the policy's mark."""
        head = Head(
            version_id=source.version,
            etag=source.etag,
            size=len(source.body),
            last_modified=NOON.isoformat(),
            metadata=tuple(source.metadata.items()),
        )
        state = ObjectState(head, source.tags)
        desired = desired_object(state, bucket="prod", key=OBJECTS.record(key), environment="prod", mask=mask)
        if desired is None:
            return None, ""
        mark = desired.telling.metadata[PROVENANCE_POLICY]
        try:
            body = source.body
            if desired.masked is not None:
                body = b"".join(block.data for block in desired.masked.body().blocks([source.body]))
        except Unclassified as refusal:
            return refusal, mark
        return (body, dict(desired.telling.metadata), own_tags(desired.telling.tags)), mark


def run_histories(world: Callable[[], MaskedObjects], phases: Collection[Phase] = tuple(Phase)) -> None:
    @settings(MODEL, max_examples=60, phases=phases)
    @given(LONG_TAPES)
    def holds(tape: Tape) -> None:
        assert History(world()).run(tape)

    holds()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BLOCK_BYTES", BLOCK_BYTES)


@pytest.mark.parametrize("former", FORMER)
@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "unversioned"])
def test_masked_replicas_of_objects_end_as_the_policy_has_them_absent_or_given_up(versioned: bool, former: str) -> None:
    run_histories(lambda: MaskedObjects(FORMER[former], versioned))


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "unversioned"])
def test_the_model_finds_the_bug_in_masked_objects_without_the_confirming_read(versioned: bool) -> None:
    with pytest.raises(AssertionError):
        run_histories(
            lambda: MaskedObjects(FORMER["of the same keys"], versioned, UnconfirmedObjects), phases=[Phase.generate]
        )
