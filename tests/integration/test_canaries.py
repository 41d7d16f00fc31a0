"""No planted value leaves production: not into a lower environment, nor into what anybody writes about the data.

The stacks are the real ones, with a policy of the test's own, and dev and staging process what they get. The hunt knows
no masker. What the emulator cannot prove: what AWS itself writes, such as CloudTrail's records and S3's access logs.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, datetime
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline_common.contracts import ProcessingOutputs
from pipeline_ops.demo import places
from pipeline_ops.demo.hunt import Hunt, Trace
from pipeline_ops.demo.hunting import Hunted, hunted
from pipeline_ops.masking.preview import Previewer
from pipeline_ops.masking.shadow import counted_shadow, switched_on
from pipeline_ops.projects import StackId
from pipeline_ops.routes.backlog import Backlog
from pipeline_ops.routes.dead_letters import DeadLetterQueue, dead_letters
from pipeline_ops.routes.reconciliation import reconcile_now
from pipeline_ops.routes.route import SourceRoutes, open_sides
from pipeline_ops.routes.selection import select
from pipeline_ops.routes.status import read_status
from pipeline_ops.routes.verification import verify
from pipeline_ops.running_system import RunningSystem, running_system
from replication_core.comparing.findings import DRIFT
from replication_core.datasets import ITEMS, OBJECTS, RecordKey
from replication_core.masking.shadow import Impact, ShadowChange, ShadowCounts
from tests.integration.canaries import KEPT, POLICY, Canaries
from tests.integration.mirror import TARGETS, Mirror
from tests.integration.repositories import copied_repository
from tests.polling import eventually

pytestmark = [pytest.mark.engine, pytest.mark.own_cloud]

WITHIN = 120.0
POLICY_FILE, NEXT_FILE = "policies/canaries.yaml", "policies/next.yaml"
KEPT_BY_NEXT = ("      gone: drop\n      mail", "      gone: keep\n      mail")


@dataclass(frozen=True)
class Planted:
    """The deployed system, what was planted in its production, and where an operator's files are."""

    running: RunningSystem
    mirror: Mirror
    canaries: Canaries
    travelling: list[RecordKey]
    refused: list[RecordKey]
    folder: Path
    repository: Path

    @property
    def replication(self) -> SourceRoutes:
        storage = self.mirror.storage
        return SourceRoutes.of(
            storage["prod"], self.mirror.replication, self.running.cloud.client, lambda name: storage[name]
        )

    def backlog(self, target: str) -> Backlog:
        return Backlog(replication=self.replication, route=self.replication.route(target), quiet_seconds=3)

    def settle(self) -> None:
        """Wait until production has processed its files, each route has worked off what it had, and so on."""
        self._processed("prod")
        for target in TARGETS:
            assert self.backlog(target).worked_off(datetime.now(UTC), within=WITHIN)
        self._processed(*TARGETS)

    def _processed(self, *environments: str) -> None:
        for environment in environments:
            url = ProcessingOutputs.parse(self.running.outputs[f"processing/{environment}"]).queue_url
            eventually(lambda url=url: self._is_empty(url), what=f"{environment}'s files processed", within=WITHIN)  # type: ignore[misc]

    def _is_empty(self, url: str) -> bool:
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self.mirror.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return not any(map(int, counts.values()))

    def hunt(self, notified: str = "") -> Hunted:
        """Hunt through the system, the state, the operator's files, and a queue of what the topics told."""
        state = self.running.deployment.backend.folder
        assert state is not None
        return hunted(
            self.running.cloud.client,
            self.running.outputs,
            TARGETS,
            values=self.canaries.values,
            keys=self.canaries.keys,
            folders=[state, self.folder],
            more=[places.queue(self.mirror.sqs, notified)] if notified else [],
        )


def configured(folder: Path) -> Path:
    """Return a repository whose routes go by the canaries' policy, and whose targets process what they get."""
    repository = copied_repository(folder)
    replication = repository / "projects" / "replication"
    (replication / POLICY_FILE).write_text(POLICY)
    (replication / NEXT_FILE).write_text(
        POLICY.replace(*KEPT_BY_NEXT).replace("named: {pseudonym: what}", "named: keep")
    )
    settings = replication / "Pulumi.prod.yaml"
    document = yaml.safe_load(settings.read_text())
    for target in document["config"]["replication:targets"]:
        target |= {"masking": POLICY_FILE, "shadow": NEXT_FILE, "objects": {"exclude": ["results/"]}}
        target.pop("verify", None)
    settings.write_text(yaml.safe_dump(document))
    for environment in TARGETS:
        settings = repository / "projects" / "processing" / f"Pulumi.{environment}.yaml"
        settings.write_text(settings.read_text().replace("processReplicas: false", "processReplicas: true"))
    return repository


@pytest.fixture(scope="module")
def planted(engine: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """A system whose production has a canary in every channel, all of it worked off."""
    repository = configured(tmp_path_factory.mktemp("repository"))
    folder = tmp_path_factory.mktemp("operator")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))  # of the operator's commands, of the emulator and its functions
        with running_system(repository) as running:
            made = Planted(running, Mirror(running.cloud, running.outputs), Canaries(), [], [], folder, repository)
            plant(made)
            made.settle()
            yield made


def plant(made: Planted) -> None:
    mirror, canaries = made.mirror, made.canaries
    for key, body in canaries.files().items():
        mirror.put(key, body, **canaries.told(f"object {key.rpartition('/')[2]}"))
        made.travelling.append(OBJECTS.record(key))
    mirror.put("assets/logo.svg", b"<svg/>", **canaries.told("an asset"))
    made.travelling.append(OBJECTS.record("assets/logo.svg"))
    for key, body in canaries.refused_files().items():
        mirror.put(key, body, **canaries.told(f"refused object {key.rpartition('/')[2][:10]}"))
        made.refused.append(OBJECTS.record(key))
    lines = OBJECTS.record(f"incoming/{canaries.key('rejected: its key')}/lines.jsonl")
    mirror.put(lines.object_key, canaries.rejected())
    made.refused.append(lines)
    for number in range(3):
        item = ITEMS.record(canaries.key(f"item {number}: its id"), str(number))
        mirror.put_item(*item.values, **canaries.attributes(f"item {number}"))
        made.travelling.append(item)
    for number, (why, attributes) in enumerate(canaries.refused_items().items()):
        item = ITEMS.record(canaries.key(f"refused item, {why}: its id"), str(10 + number))
        mirror.put_item(*item.values, **attributes)
        made.refused.append(item)


@pytest.fixture(scope="module")
def notified(planted: Planted) -> str:
    """A queue that gets what every topic of every environment tells from now on."""
    sqs, sns = planted.mirror.sqs, planted.mirror.sns
    url = sqs.create_queue(QueueName="told-by-topics")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    for storage in planted.mirror.storage.values():
        for topic in (storage.success_topic_arn, storage.failure_topic_arn):
            sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return str(url)


def shadow_of_route(planted: Planted, target: str) -> ShadowCounts:
    """Return what a route has counted of its next policy, as `mask -- shadow` reads it."""
    route = planted.replication.route(target)
    assert route.spec.shadow_policy is not None
    logs, digest = planted.running.cloud.client("logs"), route.spec.shadow_policy.digest
    history = planted.running.deployment.history(StackId("replication", "prod"))
    since = switched_on(history.records(), target, digest)
    assert since is not None
    return counted_shadow(logs, route.outputs.log_group_name, digest, since).counts


@pytest.fixture(scope="module")
def operated(planted: Planted, notified: str) -> Planted:
    """The same after an operator has looked at everything, sent every dead letter back, and asked for each key."""
    replication = planted.replication
    seen = StringIO()
    letters = DeadLetterQueue.of(
        planted.mirror.storage["prod"],
        ProcessingOutputs.parse(planted.running.outputs["processing/prod"]),
        planted.mirror.replication,
        planted.running.cloud.client,
    )
    with dead_letters(letters) as held:
        print(*(json.dumps(letter.exported()) for letter in held.letters), sep="\n", file=seen)
        held.redrive([letter for letter in held.letters if letter.event], who="a tester", why="to see")
    for target in TARGETS:
        route = replication.route(target)
        sides = open_sides(replication, route)
        assert route.spec.policy is not None
        previewer = Previewer.of(replication, sides, route.spec.policy)
        for key in (*planted.travelling, *planted.refused):
            routed = route.spec.dataset(key.dataset.name)
            assert routed is not None
            print(asdict(reconcile_now(replication, route, key)), file=seen)
            print(asdict(previewer.preview(routed, key)), file=seen)
        print(shadow_of_route(planted, target).document(), file=seen)
        everything = select(route.spec, prefix=None, items=False)
        report = planted.folder / f"{target}.jsonl"
        verify(sides, planted.backlog(target), everything, report, deep=True, within=WITHIN, say=lambda _: None)
    print(read_status(replication, None, letters), file=seen)
    (planted.folder / "what-the-operator-saw.txt").write_text(seen.getvalue())
    planted.settle()
    return planted


def counted(traces: Sequence[Trace]) -> str:
    return "\n".join(map(str, sorted(traces)))


def test_what_the_policy_knows_is_in_the_targets_and_all_else_is_told_of_as_refused(planted: Planted) -> None:
    mirror = planted.mirror
    for target in TARGETS:
        mask_of = mirror.s3.list_objects_v2(Bucket=mirror.bucket(target))["Contents"]
        names = sorted(each["Key"].rpartition("/")[2] for each in mask_of if each["Key"].startswith("incoming/"))
        assert names == ["a.csv", "b.csv.gz", "c.jsonl", "d.jsonl.gz", "e.json"]
        kept = Hunt({"what is kept": KEPT})
        for there in (
            places.bucket(mirror.s3, mirror.bucket(target)),
            places.table(mirror.dynamodb, mirror.storage[target].table_name),
        ):
            found = [trace for place in there for trace in kept.search(place.name, place.pieces)]
            assert len(found) > len(names), "the hunt looks where the data are"
    letters = [json.dumps(letter) for letter in take_all(mirror)]
    for key in planted.refused:
        quoted = json.dumps(key.object_key if key.dataset.is_bucket else key.values[0])
        assert sum(quoted in letter for letter in letters) >= len(TARGETS), key


def take_all(mirror: Mirror) -> Iterator[Any]:
    for place in places.queue(mirror.sqs, mirror.storage["prod"].dlq_url):
        yield json.loads(json.loads(b"".join(place.pieces))["Body"])


def test_what_the_next_policy_would_change_is_counted_beside_the_live_one(planted: Planted) -> None:
    for target in TARGETS:
        found = eventually(partial(shadow_of_route, planted, target), what="a log of the shadow")
        assert found.impacts["items", Impact.DIFFERENT] >= 3
        assert found.changes[ShadowChange("items", "gone", "drop", "keep")] >= 3
        assert found.changes[ShadowChange("objects", "metadata.named", "pseudonym", "keep")] >= 5
        assert found.impacts["objects", Impact.SAME], "an asset's rule is the same"
        assert {place for _, place, _, _ in map(astuple, found.changes)} == {"gone", "metadata.named", "tags.named"}


def test_the_operator_saw_that_nothing_but_the_refused_differs(operated: Planted) -> None:
    for target in TARGETS:
        report = (operated.folder / f"{target}.jsonl").read_text().splitlines()
        verdicts = {json.loads(line)["verdict"] for line in report}
        assert not verdicts & DRIFT, verdicts


def test_no_canary_is_anywhere_outside_productions_own_stores(operated: Planted, notified: str) -> None:
    found = operated.hunt(notified)
    assert not found.traces, counted(found.traces)
    assert found.planted > 150
    assert found.places > 100


def test_the_hunt_finds_what_a_rule_lets_through_once_it_is_switched_off(operated: Planted) -> None:
    policy = operated.repository / "projects" / "replication" / POLICY_FILE
    assert POLICY.count(KEPT_BY_NEXT[0]) == 1
    policy.write_text(POLICY.replace(*KEPT_BY_NEXT))
    operated.running.deployment.up("replication", "prod")
    item = next(key for key in operated.travelling if not key.dataset.is_bucket)
    for target in TARGETS:
        reconcile_now(operated.replication, operated.replication.route(target), item)
    found = eventually(lambda: operated.hunt().traces, what="the canary that is kept now", within=WITHIN)
    assert {trace.planted for trace in found} == {"item 0: what is dropped"}
    assert all(trace.place.startswith("table ") for trace in found)
