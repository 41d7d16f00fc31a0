"""What is deleted in a target whose route masks by now: what no policy, or another one, has made, and nothing else."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline_ops.masking.leftovers import Clearance, clear
from replication_core.datasets import ITEMS, OBJECTS
from replication_core.masking.mask import Mask
from replication_core.masking.policy import MaskingPolicy
from replication_core.masking.pseudonyms import Pseudonyms
from tests.made_policies import made_mask
from tests.unit.pipeline_ops.masking.conftest import a_policy, sides_of
from tests.unit.pipeline_ops.routes.conftest import World

MARK = {"replicated-from": "prod"}
LATER = datetime.now(UTC) + timedelta(hours=1)


def cleared(world: World, mask: Mask, dataset: str, *, before: datetime = LATER, writer: str = "") -> Clearance:
    routed = world.settings.spec.dataset(dataset)
    assert routed is not None
    sides = replace(sides_of(world), mask=lambda: mask)
    total = Clearance()
    with ThreadPoolExecutor(4) as executor:
        for done in clear(sides, routed, executor, before=before, writer=writer):
            total.add(done)
    return total


@pytest.fixture
def mask() -> Mask:
    return made_mask(a_policy())


def marked(mask: Mask, where: str) -> dict[str, str]:
    """Return the marks that a policy's replica there has."""
    return {**MARK, "replicated-policy": mask.mark(OBJECTS.record(where))}


def put(world: World, key: str, **metadata: str) -> None:
    world.put(key, bucket="dev-data", Metadata=metadata)


def versions(world: World) -> list[tuple[str, bool]]:
    """Return each key that is left in the target, and whether it is a delete marker's."""
    found = world.s3.list_object_versions(Bucket="dev-data")
    told = [(each["Key"], False) for each in found.get("Versions", [])]
    return sorted([*told, *((each["Key"], True) for each in found.get("DeleteMarkers", []))])


def test_versions_that_no_policy_or_another_one_has_made_go_for_good_and_those_of_the_policy_stay(
    world: World, mask: Mask
) -> None:
    present = marked(mask, "assets/logo")
    put(world, "assets/logo", **MARK)
    put(world, "assets/logo", **{**MARK, "replicated-policy": "of another one"})
    put(world, "assets/logo", **present)
    put(world, "incoming/alice.csv", **MARK)
    done = cleared(world, mask, "objects")
    assert versions(world) == [("assets/logo", False)]
    assert world.s3.head_object(Bucket="dev-data", Key="assets/logo")["Metadata"] == present
    assert (done.deleted, done.failures) == ({"objects": 1, "noncurrent versions": 2}, {})


def test_a_replica_with_the_mark_of_another_key_or_at_a_key_of_no_rule_is_a_leftover(world: World, mask: Mask) -> None:
    put(world, "incoming/alice.csv", **marked(mask, "assets/logo"))
    put(world, "elsewhere", **marked(mask, "assets/logo"))
    put(world, "assets/copied", **marked(mask, "assets/logo"))
    cleared(world, mask, "objects")
    assert versions(world) == []


def test_a_replica_that_only_a_tag_tells_is_a_leftover(world: World, mask: Mask) -> None:
    world.put("tagged", bucket="dev-data", Tagging="replicated-from=prod")
    assert cleared(world, mask, "objects").deleted == {"objects": 1}


def test_a_delete_marker_goes_with_what_was_below_it(world: World, mask: Mask) -> None:
    """Its key is a name of production's."""
    put(world, "incoming/alice.csv", **MARK)
    world.s3.delete_object(Bucket="dev-data", Key="incoming/alice.csv")
    version = world.s3.put_object(Bucket="dev-data", Key="only/a-marker.csv")["VersionId"]
    world.s3.delete_object(Bucket="dev-data", Key="only/a-marker.csv")
    world.s3.delete_object(Bucket="dev-data", Key="only/a-marker.csv", VersionId=version)
    done = cleared(world, mask, "objects")
    assert versions(world) == []
    assert done.deleted == {"noncurrent versions": 1, "delete markers": 2}


def test_what_the_target_has_of_its_own_stays_and_is_counted(world: World, mask: Mask) -> None:
    put(world, "team/notes")
    put(world, "team/notes")
    put(world, "team/gone")
    world.s3.delete_object(Bucket="dev-data", Key="team/gone")
    before = versions(world)
    done = cleared(world, mask, "objects")
    assert versions(world) == before
    assert (done.deleted, done.left) == ({}, {"the target's own": 3})


def test_what_the_target_has_of_its_own_stays_also_where_a_version_of_it_goes_meanwhile(
    world: World, mask: Mask, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(world, "team/notes")
    (first,) = world.s3.list_object_versions(Bucket="dev-data")["Versions"]
    put(world, "team/notes")
    head = world.s3.head_object

    def expired(**asked: Any) -> Any:
        world.s3.delete_object(Bucket="dev-data", Key=first["Key"], VersionId=first["VersionId"])
        return head(**asked)

    monkeypatch.setattr(world.s3, "head_object", expired)
    assert cleared(world, mask, "objects").deleted == {}
    assert versions(world) == [("team/notes", False)]


def test_what_another_sources_route_has_made_there_stays(world: World, mask: Mask) -> None:
    put(world, "assets/eu", **{"replicated-from": "prod-eu", "replicated-policy": "of its own"})
    world.put("tagged", bucket="dev-data", Tagging="replicated-from=prod-eu%20abc")
    world.put_item("eu", table="dev-data", replicatedFrom={"S": "prod-eu"})
    before = versions(world)
    done = [cleared(world, mask, dataset) for dataset in ("objects", "items")]
    assert versions(world) == before
    assert [(each.deleted, each.left.total()) for each in done] == [({}, 2), ({}, 1)]


def test_a_delete_marker_above_what_stays_is_left_so_that_nothing_comes_to_light(world: World, mask: Mask) -> None:
    put(world, "assets/a", **marked(mask, "assets/a"))
    put(world, "assets/a", **MARK)
    world.s3.delete_object(Bucket="dev-data", Key="assets/a")
    cleared(world, mask, "objects")
    assert versions(world) == [("assets/a", False), ("assets/a", True)]


def test_what_has_no_mark_is_a_replica_where_production_has_its_key(world: World, mask: Mask) -> None:
    """A former release's replicas had none where there was no room for it."""
    world.put("incoming/alice.csv")
    put(world, "incoming/alice.csv")
    cleared(world, mask, "objects")
    assert versions(world) == []


def test_uploads_are_given_up_of_the_routes_role_and_of_productions_keys_that_began_before(
    world: World, mask: Mask
) -> None:
    world.put("incoming/alice.csv")

    def begin(key: str) -> None:
        world.s3.create_multipart_upload(Bucket="dev-data", Key=key)

    def uploads() -> list[str]:
        return [each["Key"] for each in world.s3.list_multipart_uploads(Bucket="dev-data").get("Uploads", [])]

    begin("incoming/alice.csv")
    begin("team/notes")
    assert cleared(world, mask, "objects", before=datetime(2000, 1, 1, tzinfo=UTC)).deleted == {}
    assert len(uploads()) == 2
    done = cleared(world, mask, "objects")
    assert (uploads(), done.deleted, done.left) == (["team/notes"], {"uploads": 1}, {"the target's own": 1})


def test_items_that_no_policy_or_another_one_has_made_go(world: World, mask: Mask) -> None:
    mark: Any = {"replicatedFrom": {"S": "prod"}}
    world.put_item("alice", table="dev-data", **mark)
    world.put_item("bob", table="dev-data", **mark, replicatedPolicy={"S": "of another one"})
    world.put_item("c_1", table="dev-data", **mark, replicatedPolicy={"S": mask.mark(ITEMS.record("c_1", "1"))})
    world.put_item("of-the-team", table="dev-data")
    done = cleared(world, mask, "items")
    left = world.dynamodb.scan(TableName="dev-data")["Items"]
    assert sorted(each["id"]["S"] for each in left) == ["c_1", "of-the-team"]
    assert (done.deleted, done.left) == ({"items": 2}, {"the target's own": 1})


def test_an_item_that_the_policy_makes_meanwhile_stays(
    world: World, mask: Mask, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark: Any = {"replicatedFrom": {"S": "prod"}}
    world.put_item("c_1", table="dev-data", **mark)
    delete = world.dynamodb.delete_item

    def after_the_route(**asked: Any) -> Any:
        world.put_item("c_1", table="dev-data", **mark, replicatedPolicy={"S": mask.mark(ITEMS.record("c_1", "1"))})
        return delete(**asked)

    monkeypatch.setattr(world.dynamodb, "delete_item", after_the_route)
    assert cleared(world, mask, "items").deleted == {"items": 0}
    assert len(world.dynamodb.scan(TableName="dev-data")["Items"]) == 1


def test_of_a_dataset_that_the_policy_does_not_know_every_replica_goes(world: World) -> None:
    neither = Mask(MaskingPolicy(), Pseudonyms(bytes(32), 1))
    put(world, "assets/a", **MARK)
    world.put_item("alice", table="dev-data", replicatedFrom={"S": "prod"})
    assert cleared(world, neither, OBJECTS.name).deleted == {"objects": 1}
    assert cleared(world, neither, ITEMS.name).deleted == {"items": 1}


def test_in_a_bucket_without_versions_what_the_route_writes_meanwhile_stays(
    world: World, mask: Mask, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def changed(**given: Any) -> Any:
        asked.append(given)
        raise ClientError({"Error": {"Code": "PreconditionFailed", "Message": "another one"}}, "DeleteObject")

    put(world, "incoming/alice.csv", **MARK)
    monkeypatch.setattr(world.s3, "get_bucket_versioning", lambda **_: {})
    monkeypatch.setattr(world.s3, "delete_object", changed)
    done = cleared(world, mask, "objects")
    (given,) = asked
    assert (given["IfMatch"], "VersionId" in given) == (
        world.s3.head_object(Bucket="dev-data", Key=given["Key"])["ETag"],
        False,
    )
    assert (done.deleted.total(), done.failures) == (0, {})


def test_what_can_not_be_deleted_is_told_and_stops_nothing_else(
    world: World, mask: Mask, monkeypatch: pytest.MonkeyPatch
) -> None:

    delete = world.s3.delete_object

    def held_back(**asked: Any) -> Any:
        if asked["Key"] == "incoming/alice.csv":
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Object Lock"}}, "DeleteObject")
        return delete(**asked)

    put(world, "incoming/alice.csv", **MARK)
    put(world, "incoming/bob.csv", **MARK)
    monkeypatch.setattr(world.s3, "delete_object", held_back)
    done = cleared(world, mask, "objects")
    assert done.failures == {"AccessDenied: DeleteObject: Object Lock": 1}
    assert versions(world) == [("incoming/alice.csv", False)]
