"""The replicator and the verification over Versity's S3 gateway, compared by what an outsider reads there.

What can't be proved here: S3's own limits, encryption, archives and checksum algorithms, which the gateway has not.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from replication_core.comparing.findings import Verdict
from replication_core.comparing.objects import compare_objects
from replication_core.datasets import OBJECTS, RecordKey
from replication_core.reconcile import Action
from tests.integration.other_implementations.servers import Server
from tests.integration.other_implementations.sites import Site

MEBIBYTE = 1024 * 1024
STEPS = 60
SIGNS = "abcXYZ019-_. +%&?#=(!*')~;,:@$[]é漢\u202e\u0301\N{GRINNING FACE}"
TAG_SIGNS = "abcXYZ019 +-=._:/@"
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html: what S3 takes everywhere."""


@dataclass
class Workload:
    """Random changes of a source, and the keys that were noticed of them."""

    site: Site
    random: Random
    noticed: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def step(self) -> None:
        """Change an object, or make one."""
        change = self.random.choices([self.put, self.remove, self.tag, self.describe], [6, 2, 2, 1])[0]
        key = self.random.choice(self.keys) if self.keys and self.random.random() < 0.5 else self.new_key()
        if key not in self.site.objects_named(self.source):
            change = self.put
        change(self.source, key)
        self.noticed.append(key)

    @property
    def source(self) -> str:
        return self.site.settings.source_bucket

    def new_key(self) -> str:
        # A file and a folder of one name can't be in a file system, below which the gateway keeps its objects.
        folders = [f"d{self.text(SIGNS, 6)}" for _ in range(self.random.randrange(3))]
        key = "/".join([*folders, f"f{self.text(SIGNS, 12)}"])
        self.keys.append(key)
        return key

    def text(self, signs: str, most: int) -> str:
        return "".join(self.random.choices(signs, k=self.random.randint(1, most)))

    def tags(self) -> dict[str, str]:
        return {
            self.text(TAG_SIGNS, 8).strip() or "t": self.text(TAG_SIGNS, 8) for _ in range(self.random.randrange(4))
        }

    def description(self) -> dict[str, Any]:
        chosen = {
            "ContentType": self.random.choice(["text/plain", "application/json; charset=utf-8", "x/y"]),
            "CacheControl": "no-store, max-age=0",
            "ContentDisposition": 'attachment; filename="a b.txt"',
            "ContentLanguage": "de, en",
        }
        names = self.random.sample(sorted(chosen), self.random.randrange(len(chosen)))
        metadata = {f"m{number}": self.text("abc XYZ=&/", 12).strip() for number in range(self.random.randrange(5))}
        return {**{name: chosen[name] for name in names}, "Metadata": metadata}

    def put(self, bucket: str, key: str) -> None:
        body = self.random.randbytes(self.random.choice([0, 1, 100, 40_000]))
        self.site.s3.put_object(Bucket=bucket, Key=key, Body=body, **self.description())
        self.tag(bucket, key)

    def remove(self, bucket: str, key: str) -> None:
        self.site.s3.delete_object(Bucket=bucket, Key=key)

    def tag(self, bucket: str, key: str) -> None:
        tags = [{"Key": name, "Value": value} for name, value in self.tags().items()]
        self.site.s3.put_object_tagging(Bucket=bucket, Key=key, Tagging={"TagSet": tags})

    def describe(self, bucket: str, key: str) -> None:
        """Give it other headers and metadata, and leave its bytes as they are."""
        self.site.s3.copy_object(
            Bucket=bucket,
            Key=key,
            CopySource={"Bucket": bucket, "Key": key},
            MetadataDirective="REPLACE",
            **self.description(),
        )

    def some_noticed(self) -> list[RecordKey]:
        """Take some of the noticed keys, in any order, some of them twice."""
        taken = [self.noticed.pop(self.random.randrange(len(self.noticed))) for _ in range(len(self.noticed) // 2)]
        return [OBJECTS.record(key) for key in [*taken, *taken[:2]]]


def verdicts(site: Site, *, quick: bool = False) -> dict[str, Verdict]:
    with ThreadPoolExecutor(8) as threads:
        looked = list(compare_objects(site.sides(), site.routed(OBJECTS), threads, quick=quick))
    return {str(finding.key): finding.verdict for one in looked for finding in one.findings}


@pytest.mark.parametrize("versioned", [True, False], ids=["with versions", "without versions"])
@pytest.mark.parametrize("seed", [1, 2])
def test_replicas_are_as_their_sources_after_any_changes_and_drift_is_found(
    s3_server: Server, make_site: Callable[..., Site], seed: int, versioned: bool
) -> None:
    site = make_site(versioned=versioned)
    workload = Workload(site, Random(seed))
    replicator = site.replicator()
    for number in range(STEPS):
        workload.step()
        if number % 10 == 9:
            outcomes = replicator.reconcile(workload.some_noticed())
            assert [outcome for outcome in outcomes.values() if outcome.action is Action.FAILED] == []
    replicator.reconcile(map(OBJECTS.record, workload.noticed))
    source, target = site.settings.source_bucket, site.settings.target_bucket
    originals = site.objects(source)
    assert len(originals) > STEPS / 6
    assert site.objects(target) == originals
    assert verdicts(site) == verdicts(site, quick=True) == {}

    for key in workload.random.sample(sorted(originals), 8):
        workload.random.choice([workload.put, workload.remove, workload.tag, workload.describe])(target, key)
    workload.put(target, "f of the target's own")
    expected = drift(originals, site.objects(target))
    assert len(expected) > 1
    assert verdicts(site) == expected

    replicator.reconcile(map(OBJECTS.record, expected))
    assert site.objects(target) == originals


def drift(originals: dict[str, Any], replicas: dict[str, Any]) -> dict[str, Verdict]:
    """Compare what an outsider read."""
    found = {}
    for key in originals.keys() | replicas.keys():
        if key not in replicas:
            found[key] = Verdict.MISSING
        elif key not in originals:
            found[key] = Verdict.EXTRA
        elif originals[key] != replicas[key]:
            found[key] = Verdict.DIFFERENT
    return found


def test_a_large_object_is_copied_in_parts(s3_server: Server, make_site: Callable[..., Site]) -> None:
    site = make_site()
    body = Random(3).randbytes(11 * MEBIBYTE + 1)
    source, target = site.settings.source_bucket, site.settings.target_bucket
    # The gateway tells a wrong CRC of what was copied in parts, at which the replicator copies it again.
    site.s3.put_object(
        ChecksumAlgorithm="SHA256",
        Bucket=source,
        Key="large",
        Body=body,
        Metadata={"a": "b"},
        ContentType="x/y",
        Tagging="t=1&u=2%203",
    )
    replicator = site.replicator(large_from=5 * MEBIBYTE, part_size=5 * MEBIBYTE)
    outcome = replicator.reconcile([OBJECTS.record("large")])[OBJECTS.record("large")]
    assert (outcome.action, outcome.size) == (Action.COPIED, len(body)), outcome.error
    assert site.objects(target) == site.objects(source)
