"""A masked target verified and repaired over an emulator: activated unmasked, masked anew, and what a refusal leaves.

Replicator and comparison run in this process, with a key of the emulator's KMS. What the emulator cannot prove: that
S3 refuses to delete an object that is another by then, and that roles may do just this.
"""

import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import local_cloud
from local_cloud import LocalCloud
from pipeline_ops.routes.target_deletes import delete_orphan
from replication_core.clients import Clients
from replication_core.comparing.findings import DRIFT, SUSPECT, Finding, Verdict
from replication_core.comparing.items import compare_items
from replication_core.comparing.objects import compare_objects
from replication_core.comparing.second_look import look_again
from replication_core.comparing.sides import Sides
from replication_core.datasets import ITEMS, OBJECTS, RecordKey
from replication_core.masking.refusals import Unclassified
from replication_core.reconcile import Outcome
from replication_core.replicator import build_replicator
from replication_core.route_spec import RouteSpec
from tests.made_datasets import table_definition
from tests.made_policies import KEEP, item_policy, policy, pseudonym
from tests.made_route import MadeRoute, clients_of

pytestmark = pytest.mark.own_cloud

SOURCE, TARGET = "prod-verified", "dev-verified"
NAMED = {"line": 20, "key": {"name": pseudonym("name")}, "headers": {}, "metadata": {}, "tags": {}}
ROWS = {"format": "json-lines", "fields": [["id", pseudonym("id")], ["n", KEEP]]}
BUCKET = {
    "rules": [
        {**NAMED, "match": "files/{name}.bin", "body": {"opaque": "made up"}},
        {**NAMED, "match": "rows/{name}.jsonl.gz", "body": ROWS},
    ],
    "tags": [],
    "deletes": "mirror",
}
POLICY = policy({"items": item_policy()}, {"objects": BUCKET})
KEYS = [
    key
    for number in range(5)
    for key in (
        ITEMS.record(f"ann-{number}", "1"),
        OBJECTS.record(f"files/ann-{number}.bin"),
        OBJECTS.record(f"rows/ann-{number}.jsonl.gz"),
    )
]


@dataclass
class VerifiedSite:
    """A source and a target, and the route between them."""

    clients: Clients
    spec: RouteSpec
    key_arn: str

    def mask_by(self, document: dict[str, Any]) -> None:
        self.spec = replace(self.spec, masking=document, mask_key_arn=self.key_arn)

    def replicate(self, *keys: RecordKey) -> dict[RecordKey, Outcome]:
        return build_replicator(self.spec, self.clients, threads=4).reconcile(keys)

    def found(self) -> list[Finding]:
        """Return what is final after both looks."""
        sides = Sides.of(self.spec, self.clients)
        objects, items = self.spec.routed
        with ThreadPoolExecutor(4) as executor:
            looked = [*compare_objects(sides, objects, executor, deep=True), *compare_items(sides, items, executor)]
            findings = [finding for each in looked for finding in each.findings]
            suspects = [finding for finding in findings if finding.verdict in SUSPECT]
            again = list(look_again(sides, executor, suspects, worked_off=True, deep=True))
        return [*(finding for finding in findings if finding.verdict not in SUSPECT), *again]

    def verdicts(self) -> set[tuple[Verdict, bool]]:
        return {(finding.verdict, finding.orphan) for finding in self.found()}

    def repair(self) -> None:
        drift = [finding for finding in self.found() if finding.verdict in DRIFT]
        outcomes = self.replicate(*(finding.key for finding in drift if not finding.orphan))
        assert not [outcome for outcome in outcomes.values() if outcome.error]
        soon = datetime.now(UTC) + timedelta(seconds=2)
        deleted = [delete_orphan(Sides.of(self.spec, self.clients), soon, each.key) for each in drift if each.orphan]
        assert all(deleted)

    def items(self) -> list[Any]:
        found: list[Any] = self.clients.target_dynamodb.scan(TableName=TARGET)["Items"]
        return found


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with local_cloud.start() as started:
        yield started


@pytest.fixture(scope="module")
def site(cloud: LocalCloud) -> VerifiedSite:
    s3, dynamodb, kms = (cloud.client(name) for name in ("s3", "dynamodb", "kms"))
    for name in (SOURCE, TARGET):
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        dynamodb.create_table(TableName=name, **table_definition(ITEMS))
    for number in range(5):
        item = {**ITEMS.record(f"ann-{number}", "1").attributes(), "n": {"N": str(number)}, "note": {"S": "secret"}}
        dynamodb.put_item(TableName=SOURCE, Item=item)
        s3.put_object(Bucket=SOURCE, Key=f"files/ann-{number}.bin", Body=b"made up")
        rows = gzip.compress(f'{{"id": "ann-{number}", "n": {number}}}\n'.encode())
        s3.put_object(Bucket=SOURCE, Key=f"rows/ann-{number}.jsonl.gz", Body=rows)
    settings = MadeRoute(source_bucket=SOURCE, source_table=SOURCE, target_bucket=TARGET, target_table=TARGET)
    clients = clients_of(cloud.client)
    arn = kms.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["Arn"]
    return VerifiedSite(clients, settings.spec, arn)


def test_a_policy_is_activated_over_an_unmasked_target_and_its_key_rotated(site: VerifiedSite) -> None:
    assert not [outcome for outcome in site.replicate(*KEYS).values() if outcome.error]
    assert site.found() == []
    site.mask_by(POLICY)
    assert site.verdicts() == {(Verdict.UNMASKED, True), (Verdict.MISSING, False)}
    site.repair()
    assert site.found() == []
    listed = site.clients.target_s3.list_objects_v2(Bucket=TARGET)["Contents"]
    assert not any(word in repr([site.items(), listed]) for word in ("ann", "secret"))
    site.mask_by({**POLICY, "generation": 2})
    assert site.verdicts() == {(Verdict.STALE, True), (Verdict.MISSING, False)}
    site.repair()
    assert site.found() == []
    assert len(site.items()) == 5


def test_a_refusal_deletes_what_another_policy_has_made(site: VerifiedSite) -> None:
    key = KEYS[0]
    site.mask_by({**POLICY, "unclassified": "drop"})
    site.replicate(key)
    before = len(site.items())
    item = {**key.attributes(), "surprise": {"S": "secret"}}
    site.clients.source_dynamodb.put_item(TableName=SOURCE, Item=item)
    site.mask_by(POLICY)
    assert isinstance(site.replicate(key)[key].error, Unclassified)
    assert len(site.items()) == before - 1
    assert [finding.verdict for finding in site.found() if finding.key == key] == [Verdict.REFUSED]
