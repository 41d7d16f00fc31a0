"""verify and backfill as they are typed: what they say, write and ask, and how they end."""

import html
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipeline_ops import cli
from pipeline_ops.history import History
from pipeline_ops.masking.report import last_verification
from pipeline_ops.projects import StackId
from pipeline_ops.routes import backfill_command, verification, verify_command
from pipeline_ops.routes.backlog import Backlog
from pipeline_ops.routes.deployed_replication import DeployedReplication
from pipeline_ops.shown import shown
from pipeline_ops.state import Backend
from replication_core.aws.route_key import RouteKey
from replication_core.comparing.findings import Finding
from replication_core.comparing.second_look import look_again
from replication_core.datasets import ITEMS, OBJECTS, Dataset, RecordKey
from replication_core.objects.listings import list_objects
from tests.made_datasets import OTHERS, numbered
from tests.made_policies import KEEP, ROOT, item_policy, policy, pseudonym
from tests.unit.pipeline_ops.routes.conftest import World
from tests.unit.pipeline_ops.test_terminal import is_plain, meant


@pytest.fixture(autouse=True)
def _deployed(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The route works off its queue whenever a command waits."""

    class Worked(DeployedReplication):
        def backlog(self, route: Any) -> Backlog:
            return replace(super().backlog(route), pause=lambda _: world.work_off())

    def deployed(_where: Any) -> DeployedReplication:
        return Worked(
            replication=world.replication,
            dead_letters=world.dead_letters,
            history=History(Backend(tmp_path.as_uri()), StackId("replication", "prod"), print),
            repository=tmp_path,
            quiet_seconds=0,
        )

    for module in (backfill_command, verify_command):
        monkeypatch.setattr(module, "deployed_replication", deployed)


def run(*arguments: str, typed: str = "", charset: str = "utf-8") -> Result:
    return CliRunner(charset=charset).invoke(cli.cli, list(arguments), input=typed)


def populate(world: World) -> None:
    keys: list[RecordKey] = []
    for number in range(12):
        world.put(f"data/{number}", f"body {number}".encode())
        world.put_item(f"item-{number}", value={"S": "secret"})
        keys += [OBJECTS.record(f"data/{number}"), ITEMS.record(f"item-{number}", "1")]
    world.replicator().reconcile(keys)


def plant(world: World) -> None:
    world.s3.delete_object(Bucket="dev-data", Key="data/1")
    world.put("data/2", b"edited by hand", bucket="dev-data")
    world.put("<b>mine</b>", bucket="dev-data")
    world.put_item("item-3", value={"S": "edited"}, table="dev-data")


def test_level_replicas_end_with_0(world: World, tmp_path: Path) -> None:
    populate(world)
    answer = run("verify", "dev")
    assert answer.exit_code == 0, answer.output
    assert "12 objects and 12 items compared" in answer.stdout
    (report,) = (tmp_path / ".local" / "verify").glob("dev-*.jsonl")
    assert report.read_text() == ""
    assert report.with_suffix(".html").exists()


def test_drift_ends_with_1_and_is_in_the_report_and_on_the_page(world: World, tmp_path: Path) -> None:
    populate(world)
    plant(world)
    report = tmp_path / "there" / "found.jsonl"
    answer = run("verify", "dev", "--json", "--report", str(report))
    assert answer.exit_code == 1
    told = json.loads(answer.stdout)
    assert (told["found"]["missing"], told["found"]["different"], told["found"]["extra"]) == (1, 2, 1)
    assert told["repair"] == {"puts": 3, "bytes": 12, "deletes": 1, "own": 1, "orphans": 0}
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert {line.get("key") or line["id"]: line["verdict"] for line in lines} == {
        "data/1": "missing",
        "data/2": "different",
        "<b>mine</b>": "extra",
        "item-3": "different",
    }
    page = report.with_suffix(".html").read_text()
    assert "&lt;b&gt;mine&lt;/b&gt;" in page
    assert "<b>mine" not in page
    assert "secret" not in page + report.read_text()
    assert world.notices() == [], "nothing is repaired unasked"


def test_a_comparison_that_is_cut_off_leaves_no_report_that_is_taken_for_a_whole_one(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    populate(world)
    plant(world)

    def cut_off(*asked: Any, **more: Any) -> Iterator[Finding]:
        yield next(iter(look_again(*asked, **more)))
        raise KeyboardInterrupt

    monkeypatch.setattr(verification, "look_again", cut_off)
    assert run("verify", "dev").exit_code != 0
    assert last_verification(tmp_path / ".local" / "verify", "dev") is None
    monkeypatch.undo()


@pytest.mark.parametrize("chosen", [["--quick"], ["--items"], ["--objects", ""], ["--dataset", "items"]])
def test_a_comparison_of_less_is_not_taken_for_the_last_one_of_the_target(
    world: World, tmp_path: Path, chosen: list[str]
) -> None:
    populate(world)
    folder = tmp_path / ".local" / "verify"
    assert run("verify", "dev", *chosen).exit_code == 0
    assert len(list(folder.glob("dev-*.jsonl"))) == 1
    assert last_verification(folder, "dev") is None
    assert run("verify", "dev").exit_code == 0
    assert last_verification(folder, "dev") is not None


def test_only_what_is_chosen_is_compared(world: World) -> None:
    populate(world)
    plant(world)
    assert json.loads(run("verify", "dev", "--items", "--json").stdout)["drift"] == 1
    assert json.loads(run("verify", "dev", "--objects", "data/2", "--json").stdout)["drift"] == 1
    assert json.loads(run("verify", "dev", "--objects", "", "--json").stdout)["drift"] == 3
    assert json.loads(run("verify", "dev", "--objects", "", "--quick", "--json").stdout)["objects"] == 12


def test_a_repair_says_what_it_does_asks_and_leaves_nothing_different(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    populate(world)
    plant(world)
    assert run("verify", "dev", "--repair").exit_code == 2, "nobody is at a terminal"
    monkeypatch.setattr(verify_command, "at_terminal", lambda: True)
    refused = run("verify", "dev", "--repair", typed="no\n")
    assert refused.exit_code == 1
    assert "3 puts of 12 bytes of objects, and 1 delete, 1 of them of what the target has of its own" in refused.stderr
    assert world.notices() == []
    done = run("verify", "dev", "--repair", typed="dev\n")
    assert done.exit_code == 0, done.output
    assert "Reconciled 4 keys; still different: 0." in done.stdout
    assert run("verify", "dev").exit_code == 0


def test_a_repair_has_what_is_masked_otherwise_made_anew_and_deletes_what_no_key_names(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RouteKey, "root", lambda _: ROOT)
    keys = [ITEMS.record(f"item-{number}", "1") for number in range(3)]
    for generation in (1, 2):
        for key in keys:
            world.put_item(key.values[0], n={"S": "kept"}, mail={"S": f"{key.values[0]}@secret.example"})
        world.settings = replace(world.settings, masking=policy({"items": item_policy()}, generation=generation))
        world.change("dev")
        if generation == 1:
            world.replicator().reconcile(keys)
            level = run("verify", "dev", "--items")
            assert level.exit_code == 0, level.output
            assert "unmasked" in level.stdout
    found = json.loads(run("verify", "dev", "--items", "--json").stdout)
    assert {name: count for name, count in found["found"].items() if count} == {"missing": 3, "stale": 3}
    assert found["repair"] == {"puts": 3, "bytes": 0, "deletes": 3, "own": 0, "orphans": 3}
    done = run("verify", "dev", "--items", "--repair", "--yes")
    assert done.exit_code == 0, done.output
    assert "Reconciled 3 keys, deleted 3 replicas without a source; still different: 0." in done.stdout
    assert run("verify", "dev", "--items").exit_code == 0


@pytest.mark.parametrize("below", ["", "data/"])
def test_where_keys_are_masked_it_is_said_that_below_a_prefix_nothing_extra_is_looked_for(
    world: World, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    monkeypatch.setattr(RouteKey, "root", lambda _: ROOT)
    rule = {"match": "{folder}/{file}", "line": 1, "key": {"folder": KEEP, "file": pseudonym("file")}}
    told: dict[str, Any] = {"body": {"opaque": "made up"}, "headers": {}, "metadata": {}, "tags": {}}
    masked = policy({}, {"objects": {"rules": [rule | told], "tags": [], "deletes": "mirror"}})
    world.settings = replace(world.settings, masking=masked)
    world.change("dev")
    answer = run("verify", "dev", "--objects", below)
    assert ("Leave the prefix out" in answer.stdout) == bool(below)
    assert json.loads(run("verify", "dev", "--objects", below, "--json").stdout)["without_extras"] == (
        ["objects"] if below else []
    )


def test_how_deep_a_comparison_goes_is_one_thing(world: World) -> None:
    answer = run("verify", "dev", "--quick", "--deep")
    assert (answer.exit_code, "choose one" in answer.stderr) == (2, True)
    populate(world)
    assert run("verify", "dev", "--deep").exit_code == 0


def test_what_a_repair_can_not_mend_ends_with_1(world: World) -> None:
    populate(world)
    plant(world)
    world.work_off = lambda: world.bodies(world.url("dev"))  # type: ignore[method-assign,assignment]
    answer = run("verify", "dev", "--repair", "--yes", "--json")
    assert answer.exit_code == 1
    assert json.loads(answer.stdout)["repaired"]["still_different"] == 4


def test_lag_is_not_called_drift(world: World) -> None:
    populate(world)
    world.put("data/late")
    world.sqs.send_message(
        QueueUrl=world.url("dev"),
        MessageBody='{"schema": "pipeline.notice/1", "kind": "object", "key": "data/late", "reason": "r"}',
    )
    answer = run("verify", "dev", "--json")
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["found"]["in flight"] == 1


def test_a_route_that_never_has_nothing_before_it_has_no_drift_yet(world: World) -> None:
    populate(world)
    plant(world)
    world.sqs.send_message(QueueUrl=world.url("dev"), MessageBody="waits")
    world.work_off = lambda: None  # type: ignore[method-assign]
    answer = run("verify", "dev", "--wait", "0", "--repair", "--yes")
    assert answer.exit_code == 1, "nobody knows"
    assert "had changes before it all the time" in answer.stdout
    assert "and nothing is repaired" in answer.stdout


def test_a_backfill_says_what_it_takes_asks_and_is_done_when_all_is_replicated(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number in range(25):
        world.put(f"data/{number}", f"body {number}".encode())
        world.put_item(f"item-{number}")
    assert run("backfill", "dev").exit_code == 2, "nobody is at a terminal"
    assert run("backfill", "dev", "--dry-run").exit_code == 0
    assert world.notices() == []
    monkeypatch.setattr(backfill_command, "at_terminal", lambda: True)
    assert run("backfill", "dev", typed="no\n").exit_code == 1
    assert world.notices() == []
    done = run("backfill", "dev", typed="dev\n")
    assert done.exit_code == 0, done.output
    assert "Through: 50 keys; given up of them: 0." in done.stdout
    assert run("verify", "dev").exit_code == 0
    assert list((tmp_path / ".local" / "backfill").iterdir()) == []


def test_an_interrupted_backfill_ends_with_130_and_is_gone_on_with(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(25):
        world.put(f"data/{number}")

    real, world.work_off = world.work_off, interrupt  # type: ignore[method-assign]
    answer = run("backfill", "dev", "--yes")
    assert answer.exit_code == 130
    assert "25 keys enqueued" in answer.stderr
    world.work_off = real  # type: ignore[method-assign]
    again = run("backfill", "dev", "--yes")
    assert again.exit_code == 0
    assert "has enqueued 25 keys: this one goes on there" in again.stderr
    assert run("verify", "dev").exit_code == 0


@pytest.mark.parametrize("arguments", [("backfill", "dev"), ("verify", "dev", "--repair")])
def test_nothing_is_put_into_the_queue_of_a_paused_route(world: World, arguments: tuple[str, ...]) -> None:
    plant(world)
    world.functions.states = ["Disabled"]
    answer = run(*arguments, "--yes")
    assert answer.exit_code == 1
    assert "nox -s resume -- dev" in answer.stderr
    assert world.notices() == []


def test_what_the_target_has_of_its_own_is_kept_if_asked_for(world: World) -> None:
    populate(world)
    world.put("results/dev/run.json", bucket="dev-data")
    world.put_item("mine", table="dev-data")
    found = run("verify", "dev", "--json")
    assert (found.exit_code, json.loads(found.stdout)["repair"]["own"]) == (1, 2)
    kept = run("verify", "dev", "--keep-own", "--repair", "--yes", "--json")
    assert (kept.exit_code, json.loads(kept.stdout)["drift"], world.notices()) == (0, 0, [])
    # A replica of what production has no more is the route's, and not the target's own.
    world.s3.delete_object(Bucket="prod-data", Key="data/3")
    assert run("verify", "dev", "--keep-own", "--repair", "--yes").exit_code == 0
    left = [each.key for each in list_objects(world.s3, "dev-data")]
    assert "results/dev/run.json" in left
    assert "data/3" not in left


def test_a_key_that_looks_like_markup_is_shown_as_it_is(world: World) -> None:
    world.put("in/[/old]/[bold]a.csv", bucket="dev-data")
    answer = run("verify", "dev", "--objects", "in/[/old]/")
    assert answer.exit_code == 1
    assert "[bold]a.csv" in answer.stdout
    assert run("backfill", "dev", "--objects", "in/[/old]/", "--yes").exit_code == 0


def test_an_interrupt_ends_with_130_and_a_sentence(world: World) -> None:
    plant(world)
    world.work_off = interrupt  # type: ignore[method-assign]
    world.sqs.send_message(QueueUrl=world.url("dev"), MessageBody="waits")
    answer = run("verify", "dev")
    assert (answer.exit_code, answer.stderr) == (130, "Interrupted.\n")


def test_an_old_backfill_is_gone_on_with_only_when_that_is_meant(world: World, tmp_path: Path) -> None:
    for number in range(25):
        world.put(f"data/{number}")

    real, world.work_off = world.work_off, interrupt  # type: ignore[method-assign]
    assert run("backfill", "dev", "--yes").exit_code == 130
    world.work_off = real  # type: ignore[method-assign]
    (path,) = (tmp_path / ".local" / "backfill").iterdir()
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | {"saved": "2026-01-01T00:00:00Z"}))
    refused = run("backfill", "dev", "--yes")
    assert refused.exit_code == 2
    assert "25 keys enqueued: --resume goes on with it, --restart begins anew" in refused.stderr
    assert run("backfill", "dev", "--resume", "--restart", "--yes").exit_code == 2
    assert run("backfill", "dev", "--restart", "--yes").exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "qa"),
        ("verify", "dev", "--report", "page.html"),
        ("backfill", "qa", "--yes"),
        ("backfill", "dev", "--yes", "--since", "soon"),
    ],
)
def test_what_can_not_be_meant_is_misuse(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_a_route_of_another_release_is_told_by_the_deploy_that_helps(world: World) -> None:
    world.specs["dev"] = {"schema": "another"}
    answer = run("verify", "dev")
    assert answer.exit_code == 1
    assert "nox -s deploy -- replication prod" in answer.stderr


@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "ascii"])
@pytest.mark.parametrize("key", ["a[/x].gz", "\u20ac\x1b[2J\u202e", "e\u0301 \\x1b", "[link=https://evil.example]x"])
def test_what_has_drifted_is_shown_as_text_whatever_its_key(
    world: World, tmp_path: Path, key: str, charset: str
) -> None:
    world.put_item(key)
    answer = run("verify", "dev", "--items", charset=charset)
    assert answer.exit_code == 1, answer.output
    assert is_plain(answer.stdout)
    assert f"{key}@1" in meant(answer.stdout)
    (page,) = (tmp_path / ".local" / "verify").glob("dev-*.html")
    text = page.read_text()
    assert is_plain(text)
    assert html.unescape(shown(f"{key}@1")) in html.unescape(text)


def test_reports_pages_and_checkpoints_are_their_owners_alone(world: World, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        populate(world)
        own = tmp_path / ".local"
        for folder in (own, own / "verify", own / "backfill"):
            folder.mkdir(mode=0o755)
        asked = tmp_path / "found.jsonl"
        asked.touch(0o644)
        assert run("verify", "dev", "--report", str(asked)).exit_code == 0
        assert run("verify", "dev").exit_code == 0
        world.work_off = interrupt  # type: ignore[method-assign]
        assert run("backfill", "dev", "--yes").exit_code == 130
        files = [asked, asked.with_suffix(".html"), *own.glob("verify/*"), *own.glob("backfill/*")]
        assert len(files) == 5
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        folders = (own, own / "verify", own / "backfill")
        assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}
    finally:
        os.umask(before)


def interrupt() -> None:
    raise KeyboardInterrupt


def with_others(world: World) -> list[RecordKey]:
    """Have the source have other datasets too, with three records in each of them."""
    world.add(*OTHERS)
    keys = [numbered(dataset, number) for dataset in OTHERS for number in range(3)]
    for key in keys:
        store = f"prod-{key.dataset.name}"
        if key.dataset.is_bucket:
            world.put(key.object_key, bucket=store)
        else:
            attributes = {"seen": {"S": f"2026-01-0{1 + len(key.values)}T00:00:00Z"}}
            world.dynamodb.put_item(TableName=store, Item={**key.attributes(), **attributes})
    return keys


@pytest.mark.parametrize("dataset", OTHERS, ids=lambda dataset: dataset.name)
def test_a_chosen_dataset_is_verified_and_replicated_and_no_other(world: World, dataset: Dataset) -> None:
    own = [key for key in with_others(world) if key.dataset == dataset]
    assert json.loads(run("verify", "dev", "--dataset", dataset.name, "--json").stdout)["found"]["missing"] == 3
    answer = run("backfill", "dev", "--dataset", dataset.name, "--yes", "--json")
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["enqueued"] == len(own)
    assert run("verify", "dev", "--dataset", dataset.name).exit_code == 0
    everything = json.loads(run("verify", "dev", "--json").stdout)
    assert everything["found"]["missing"] == 9
    assert run("verify", "dev", "--repair", "--yes").exit_code == 0
    assert json.loads(run("verify", "dev", "--json").stdout)["drift"] == 0


def test_datasets_are_chosen_together_each_bucket_below_a_prefix(world: World) -> None:
    with_others(world)
    chosen = ("--dataset", "files:2", "--dataset", "blobs")
    answer = run("backfill", "dev", *chosen, "--yes", "--json")
    assert json.loads(answer.stdout)["selected"] == "files below 2 and all of blobs"
    assert json.loads(answer.stdout)["enqueued"] == 4
    assert run("verify", "dev", *chosen).exit_code == 0
    assert run("verify", "dev", "--dataset", "files").exit_code == 1


@pytest.mark.parametrize(
    "chosen",
    [
        ("--dataset", "nowhere"),
        ("--dataset", "orders:1"),
        ("--dataset", ""),
        ("--dataset", "files:1", "--dataset", "files:2"),
        ("--objects", "a/", "--dataset", "objects"),
    ],
)
def test_a_dataset_that_can_not_be_chosen_so_is_misuse(world: World, chosen: tuple[str, ...]) -> None:
    with_others(world)
    assert run("verify", "dev", *chosen).exit_code == 2
    assert run("backfill", "dev", "--yes", *chosen).exit_code == 2


def test_since_asks_for_the_attribute_that_has_the_time_where_the_key_has_none(world: World) -> None:
    with_others(world)
    since = ("backfill", "dev", "--yes", "--json", "--since", "2026-01-03")
    refused = run(*since, "--dataset", "orders")
    assert refused.exit_code == 2
    assert "orders has no time in its key: say which attribute has it, --time-attribute NAME" in refused.stderr
    assert world.notices() == []
    # The times that `with_others` has put are of the 2nd where a key is one value, of the 3rd where it is two.
    for dataset, count in (("orders", 3), ("customers", 0)):
        answer = run(*since, "--dataset", dataset, "--time-attribute", "seen")
        assert json.loads(answer.stdout)["enqueued"] == count
    assert run("backfill", "dev", "--yes", "--since", "2026-01-03", "--dataset", "files").exit_code == 0


def test_a_backfill_by_another_time_is_another_one(world: World, tmp_path: Path) -> None:
    with_others(world)
    since = ("backfill", "dev", "--yes", "--since", "2026-01-03", "--dataset", "orders", "--time-attribute")
    real, world.work_off = world.work_off, interrupt  # type: ignore[method-assign]
    assert run(*since, "seen").exit_code == 130
    world.work_off = real  # type: ignore[method-assign]
    assert "An earlier run" not in run(*since, "changed").stderr
    assert "An earlier run" in run(*since, "seen").stderr
    assert list((tmp_path / ".local" / "backfill").iterdir()) == []
