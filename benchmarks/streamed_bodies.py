"""Memory of a masked body of any size: made up as it is read, masked as in the function, and dropped as it is written.

Each body is an object that goes through the replicator's own copy, from the source's stream to the parts of the upload,
in a process of its own. A record is of 8 kB, most of it a text that is kept and not searched, so that 10 GiB take
minutes: what masking costs by the byte is another table's.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.own_process import elsewhere, peak_mib
from benchmarks.policy import ROOT
from benchmarks.report import Report, Sheet, flat_memory
from replication_core.datasets import OBJECTS
from replication_core.masking.detectors import DETECTORS
from replication_core.masking.mask import Mask
from replication_core.masking.policy import BucketRules, MaskingPolicy, ObjectRule, PathRule, RecordsBody, Rule
from replication_core.masking.pseudonyms import Pseudonyms
from replication_core.objects.masked_copy import MadeReplica, MaskedCopy, MaskedObject
from replication_core.objects.pinned import PinnedObject
from replication_core.objects.states import Head
from replication_core.objects.unfinished import UnfinishedCopy

__all__ = ["measure_streamed_bodies"]

_MIB = 1024**2
_GROWTH = 32
"""From one size to the next."""

_RECORD_BYTES = 8192

_FIELDS = (
    PathRule("id", Rule("pseudonym", {"namespace": "customer"})),
    PathRule("email", Rule("email", {"namespace": "mail"})),
    PathRule("text", Rule("keep", {"allow": sorted(DETECTORS), "reason": "made up"})),
)
_POLICY = MaskingPolicy(
    buckets={
        OBJECTS.name: BucketRules(
            rules=(ObjectRule(match="**", line=0, key={}, body=RecordsBody("json-lines", _FIELDS)),)
        )
    }
)


def _record(number: int) -> bytes:
    record = {"id": f"customer-{number}", "email": f"{number}@example.com", "text": ""}
    record["text"] = "words ".ljust(_RECORD_BYTES - len(json.dumps(record)) - len("\n"), "x")
    return f"{json.dumps(record)}\n".encode()


class _Store:
    """A source of one made-up body, and a target that keeps nothing: what is called of a client of S3."""

    def __init__(self, size: int) -> None:
        self._records, self._size, self._read = b"".join(map(_record, range(8))), size, 0
        self.parts = self.written = 0

    def get_object(self, **_: Any) -> Any:
        return {"ETag": "source", "Body": self}

    def read(self, most: int) -> bytes:
        begin = self._read % len(self._records)
        data = self._records[begin : begin + min(most, self._size - self._read)]
        self._read += len(data)
        return data

    def close(self) -> None:
        """Have read what there was."""

    def create_multipart_upload(self, **_: Any) -> Any:
        return {"UploadId": "made-up", "ChecksumType": "FULL_OBJECT"}

    def upload_part(self, **part: Any) -> Any:
        self.parts += 1
        self.written += part["Body"].getbuffer().nbytes
        return {"ETag": f"part-{self.parts}"}

    def complete_multipart_upload(self, **upload: Any) -> Any:
        if upload["MpuObjectSize"] != self.written:
            raise RuntimeError(f"{self.written} bytes were written, and {upload['MpuObjectSize']} told of")
        return {"ETag": "replica"}

    put_object = upload_part


@dataclass(frozen=True)
class StreamedBody:
    """A body of this size that was masked: in how many parts, how fast, and its process's peak of memory."""

    mib: int
    parts: int
    mb_per_second: float
    peak_mib: float


def _streamed(mib: int) -> StreamedBody:
    size = mib * _MIB
    store: Any = _Store(size)
    rule = Mask(_POLICY, Pseudonyms(ROOT, 1)).object("large", OBJECTS)
    head = Head(version_id="v1", etag="source", size=size, last_modified="now")
    asked = MaskedObject.of(
        PinnedObject.of(store, "source", "large", head),
        head,
        rule,
        {"Bucket": "target", "Key": "large", "Metadata": {}},
    )
    begin = time.process_time()
    made = MaskedCopy(client=store).copy(asked, UnfinishedCopy(version="v1", fingerprint="made-up"))
    if not isinstance(made, MadeReplica) or made.size < size // 2:
        raise RuntimeError("the body was not masked to its end")
    return StreamedBody(mib, store.parts, size / 1e6 / (time.process_time() - begin), peak_mib())


def measure_streamed_bodies(say: Callable[[str], None], *, largest: int, quick: bool) -> Report:
    """Mask a body of 1 MiB, and ever larger ones up to so many MiB, each in a process of its own."""
    del quick  # how much it is to be is told
    found: list[StreamedBody] = []
    for mib in _sizes(largest):
        say(f"Masking a body of {mib:,} MiB")
        found.append(elsewhere(_streamed, mib))
    rows = [(f"{one.mib:,}", f"{one.parts:,}", f"{one.mb_per_second:.0f}", f"{one.peak_mib:g}") for one in found]
    sheet = Sheet("A masked body of records of 8 kB, from stream to parts", ("MiB", "parts", "MB/s", "peak MiB"), rows)
    whole = [one.peak_mib for one in found if one.parts > 1]
    flat = [flat_memory("a masked body in parts", whole)] if whole else []
    return Report("streamed_bodies", {"streamed": [asdict(one) for one in found]}, [sheet], flat)


def _sizes(largest: int) -> Iterator[int]:
    size = 1
    while size < largest:
        yield size
        size *= _GROWTH
    yield largest
