"""The routes' commands as they are typed: what they choose, what they ask, and how they end."""

import json
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline_ops import cli
from pipeline_ops.history import History
from pipeline_ops.projects import StackId
from pipeline_ops.routes import (
    backfill_command,
    reconciliation,
    redrive_command,
    status,
    switch,
    verify_command,
)
from pipeline_ops.routes.deployed_replication import DeployedReplication
from pipeline_ops.state import Backend
from replication_core.changes import message
from replication_core.datasets import Dataset
from replication_core.delete_brake import BRAKE_KEY, BrakeTable
from tests.made_datasets import OTHERS, numbered
from tests.unit.pipeline_ops.routes.conftest import World
from tests.unit.pipeline_ops.routes.test_dead_letters import NOTICE, envelope, put
from tests.unit.pipeline_ops.test_terminal import HOSTILE, is_plain, meant

MODULES = (status, switch, reconciliation, verify_command, backfill_command)


@pytest.fixture(autouse=True)
def _deployed(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def deployed(_where: object) -> DeployedReplication:
        return DeployedReplication(
            replication=world.replication,
            dead_letters=world.dead_letters,
            history=History(Backend(tmp_path.as_uri()), StackId("replication", "prod"), print),
            repository=tmp_path,
            quiet_seconds=0,
        )

    for module in MODULES:
        monkeypatch.setattr(module, "deployed_replication", deployed)
    monkeypatch.setattr(redrive_command, "deployed_dead_letters", lambda _where, _environment: world.dead_letters)


def run(*arguments: str, typed: str = "", charset: str = "utf-8") -> Result:
    return CliRunner(charset=charset).invoke(cli.cli, list(arguments), input=typed)


def fill(world: World) -> None:
    put(world, envelope())
    put(world, envelope({**NOTICE, "key": "other"}, type_="Archived"))
    put(world, envelope({**NOTICE, "key": "other"}, target="staging"))


def test_status_is_a_probe(world: World) -> None:
    assert run("status").exit_code == 0
    world.functions.states = ["Disabled"]
    answer = run("status", "dev", "--json")
    assert answer.exit_code == 1
    (route,) = json.loads(answer.stdout)["routes"]
    assert (route["state"], route["healthy"]) == ("paused", False)


def test_status_shows_a_held_route_which_is_as_it_is_meant(world: World) -> None:
    hold = {
        "version": "7",
        "release": "v1.3.0",
        "from_release": "v1.4.0",
        "by": "somebody",
        "at": "2026-11-28T10:00",
    }
    world.holds["dev"] = hold
    answer = run("status")
    assert answer.exit_code == 0
    assert "dev: held at v1.3.0 (7), put back from v1.4.0 by somebody at 2026-11-28T10:00" in answer.stdout
    held, other = json.loads(run("status", "--json").stdout)["routes"]
    assert (held["held"], other["held"]) == (hold, None)


def test_a_live_version_that_the_state_does_not_tell_is_somebodys_to_look_at(world: World) -> None:
    world.functions.version = "6"
    answer = run("status", "dev")
    assert answer.exit_code == 1
    assert "version 6 is live, and the state tells 7" in answer.stdout
    assert "nox -s rollback -- dev 6" in answer.stdout


def test_watching_is_for_a_person(world: World) -> None:
    assert run("status", "--watch", "--json").exit_code == 2


def test_pause_says_until_when_and_resume_that_the_route_is_enabled_already(world: World) -> None:
    world.functions.states = ["Enabled", "Disabled"]
    answer = run("pause", "dev")
    assert answer.exit_code == 0
    assert "lost if it is not resumed before 20" in answer.stdout
    world.functions.states = ["Enabled"]
    assert json.loads(run("resume", "dev", "--json").stdout) == {"target": "dev", "enabled": True, "changed": False}
    world.functions.states = ["Enabled"]
    assert run("resume", "dev").stdout == "The route to dev is already enabled.\n"


def test_a_brake_that_holds_is_shown_and_released_by_resume(world: World) -> None:
    assert run("resume", "dev", "--deletes").exit_code == 2, "it has none"
    world.dynamodb.create_table(
        TableName="brake",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": BRAKE_KEY, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": BRAKE_KEY, "AttributeType": "S"}],
    )
    world.specs["dev"] = replace(world.settings.spec, brake_table="brake").document()
    table = BrakeTable(dynamodb=world.dynamodb, name="brake")
    table.hold("more than 3 replicas within 10 minutes")
    told = "it would delete more than 3 replicas within 10 minutes, and its brake holds: `nox -s resume -- dev`"
    answer = run("status", "dev", "--json")
    assert answer.exit_code == 1
    (route,) = json.loads(answer.stdout)["routes"]
    assert any(problem.startswith(told) for problem in route["problems"])
    assert "counts its deletes anew" in run("resume", "dev").stdout
    assert table.state().held == ""
    assert table.state().lifted_until <= time.time()
    assert run("resume", "dev").stdout == "The route to dev is already enabled.\n"
    assert "deletes as much as it likes for an hour" in run("resume", "dev", "--deletes").stdout
    assert table.state().lifted_until > time.time() + 3000


def test_a_key_that_could_not_be_replicated_ends_with_1(world: World) -> None:
    error = {"type": "Archived", "message": "it is archived"}
    world.functions.told = [{"key": "k", "action": "failed", "size": 0, "rereads": 0, "error": error}]
    answer = run("replicate", "dev", "k", "--json")
    assert answer.exit_code == 1
    assert json.loads(answer.stdout)["why"] == "Archived: it is archived"


@pytest.mark.parametrize("sort_key", ["1_0", "１０", "NaN", "0x10", "+1"])
def test_a_sort_key_that_is_no_number_is_misuse_and_nothing_is_asked(world: World, sort_key: str) -> None:
    answer = run("replicate", "dev", "x", sort_key)
    assert (answer.exit_code, "is not a number" in answer.stderr) == (2, True)
    assert not world.functions.asked


@pytest.mark.parametrize(
    "arguments",
    [
        ("backfill", "dev", "--rate", "1_0"),
        ("backfill", "dev", "--rate", "nan"),
        ("verify", "dev", "--wait", "inf"),
        ("redrive", "--older-than", "１h"),
    ],
)
def test_an_options_number_that_is_none_is_misuse(world: World, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ((), 3),
        (("--route", "dev"), 2),
        (("--reason", "Archived"), 1),
        (("--key", "other"), 2),
        (("--route", "staging", "--key", "other"), 1),
        (("prod",), 3),
        (("--older-than", "1h"), 0),
        (("--older-than", "0s"), 3),
    ],
)
def test_the_options_choose_and_listing_changes_nothing(world: World, options: tuple[str, ...], count: int) -> None:
    fill(world)
    answer = run("redrive", *options, "--list", "--json")
    assert answer.exit_code == 0, answer.output
    assert len(json.loads(answer.stdout)["letters"]) == count
    assert len(world.bodies(world.dlq)) == 3


def test_what_is_redriven_is_asked_about_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(world)
    assert run("redrive").exit_code == 2, "nobody is at a terminal"
    monkeypatch.setattr(redrive_command, "at_terminal", lambda: True)
    assert run("redrive", typed="no\n").exit_code == 1
    assert world.bodies(world.url("dev")) == []
    answer = run("redrive", "--route", "dev", typed="redrive\n")
    assert answer.exit_code == 0, answer.output
    assert "Redriven: 2 of 2 letters." in answer.stdout
    assert len(world.bodies(world.url("dev"))) == 2
    assert len(world.bodies(world.dlq)) == 1


def test_where_a_lower_environments_queue_is_empty_it_is_said_where_a_routes_letters_are(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = {"dev": world.url("dev")}
    dev = replace(world.dead_letters, environment="dev", urls=urls, names={}, processor="dev")
    monkeypatch.setattr(redrive_command, "deployed_dead_letters", lambda _where, _environment: dev)
    assert run("redrive", "dev", "--list", "--local").stdout.splitlines() == [
        "No dead letter is chosen, of 0 in the queue of dev.",
        "What a route to dev gave up is in the queue of the route's source: `nox -s redrive -- --route dev --local`.",
    ]
    assert "--route is one of dev" in run("redrive", "dev", "--route", "staging", "--list").stderr


def test_a_purge_has_its_own_word(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(world)
    monkeypatch.setattr(redrive_command, "at_terminal", lambda: True)
    assert run("redrive", "--purge", typed="redrive\n").exit_code == 1
    assert run("redrive", "--route", "staging", "--purge", typed="purge\n").exit_code == 0
    assert len(world.bodies(world.dlq)) == 2
    assert run("redrive", "--purge", "--list").exit_code == 2


def test_letters_that_name_no_queue_are_kept_and_said(world: World, tmp_path: Path) -> None:
    put(world, json.dumps({"DDBStreamBatchInfo": {}}))
    answer = run("redrive", "--yes", "--export", str(tmp_path / "letters.jsonl"))
    assert answer.exit_code == 1
    assert "Kept: 1 letter without a queue" in answer.stderr
    (line,) = (tmp_path / "letters.jsonl").read_text().splitlines()
    assert json.loads(line)["reason"] == "StreamGap"
    assert stat.S_IMODE((tmp_path / "letters.jsonl").stat().st_mode) == 0o600
    assert len(world.bodies(world.dlq)) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("redrive", "--route", "qa", "--list"),
        ("redrive", "--older-than", "soon", "--list"),
        ("redrive", "--older-than", "9999999999999d", "--list"),
        ("redrive", "--key", "", "--list"),
    ],
)
def test_what_can_not_be_meant_is_misuse(world: World, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "ascii"])
def test_letters_of_any_key_reason_and_message_are_shown_as_text(world: World, charset: str) -> None:
    for text in HOSTILE:
        if text != "\ud800":  # which no notice may name
            put(world, envelope({**NOTICE, "key": f"key {text}"}, type_=f"reason {text}"))
    answer = run("redrive", "--list", charset=charset)
    assert answer.exit_code == 0, answer.output
    assert is_plain(answer.stdout)
    seen = meant(answer.stdout)
    for text in HOSTILE[:-1]:
        assert text == "\ud800" or f"key {text}" in seen
        assert text == "\ud800" or f"reason {text}" in seen


@pytest.mark.parametrize("charset", ["utf-8", "ascii"])
def test_what_became_of_any_key_is_told_in_one_printable_line(world: World, charset: str) -> None:
    for key in (text for text in HOSTILE if text != "\ud800"):
        error = {"type": "Archived", "message": key}
        world.functions.told = [{"key": key, "action": "failed", "size": 0, "rereads": 0, "error": error}]
        answer = run("replicate", "dev", "--", key, charset=charset)
        assert meant(answer.stdout) == f"dev {key}: failed; Archived: {key}\n"
        assert len(answer.stdout.splitlines()) == 1
        assert is_plain(answer.stdout)
        assert json.loads(run("replicate", "dev", "--json", "--", key, charset=charset).stdout)["key"] == key


def test_a_sort_key_may_be_negative(world: World) -> None:
    world.functions.told = [{"key": "sensor", "action": "deleted", "size": 0, "rereads": 0, "error": None}]
    for typed, number in {"-5": "-5", "-0.5e3": "-500", "-1E-2": "-0.01", "7": "7"}.items():
        for arguments in (("dev", "sensor", typed, "--local"), ("--local", "dev", "sensor", typed)):
            answer = run("replicate", *arguments)
            assert answer.exit_code == 0, answer.output
            assert world.functions.asked.pop()["Payload"]["timestamp"] == number


def test_a_typo_and_what_is_no_key_are_misuse_before_anything_is_asked(world: World) -> None:
    for arguments in (
        ("dev", "sensor", "-5", "--tpyo"),
        ("dev", "--tpyo", "-5"),
        ("dev", "sensor", "--tpyo"),
        ("--tpyo", "dev", "sensor"),
        ("dev", "sensor", "-x"),
        ("dev", "sensor", "-5x"),
        ("dev", "sensor", "5", "-5"),
        ("dev", ""),
        ("dev", "sensor", ""),
        ("dev", "k" * 1025),
        ("dev", "\udcff"),
    ):
        answer = run("replicate", *arguments)
        assert answer.exit_code == 2, arguments
        assert answer.stderr
        assert is_plain(answer.stderr)
    assert world.functions.asked == []


def test_a_key_that_begins_as_an_option_does_is_given_after_two_dashes(world: World) -> None:
    world.functions.told = [{"key": "--odd", "action": "deleted", "size": 0, "rereads": 0, "error": None}]
    assert run("replicate", "dev", "--", "--odd").exit_code == 0
    assert world.functions.asked[0]["Payload"]["key"] == "--odd"


@pytest.mark.parametrize(
    ("words", "dataset", "key"),
    [
        (("orders", "pk=1", "sk=2"), "orders", {"pk": "1", "sk": "2"}),
        (("orders", "sk=2", "pk=a b"), "orders", {"pk": "a b", "sk": "2"}),
        (("orders", "pk=a=b", "sk==c="), "orders", {"pk": "a=b", "sk": "=c="}),
        (("orders", "pk=-1", "sk=--all"), "orders", {"pk": "-1", "sk": "--all"}),
        (("customers", "email=a@b.example"), "customers", {"email": "a@b.example"}),
        (("blobs", "digest=AAE=", "at=-1.50e1"), "blobs", {"digest": "AAE=", "at": "-15"}),
        (("files", "a b/c=d.csv"), "files", {"key": "a b/c=d.csv"}),
    ],
)
def test_a_record_is_named_by_its_dataset_and_its_key(
    world: World, words: tuple[str, ...], dataset: str, key: dict[str, str]
) -> None:
    world.add(*OTHERS)
    world.functions.told = [{"key": "told", "action": "deleted", "size": 0, "rereads": 0, "error": None}]
    answer = run("replicate", "dev", *words)
    assert answer.exit_code == 0, answer.output
    (asked,) = world.functions.asked
    assert (asked["Payload"]["dataset"], asked["Payload"]["keys"]) == (dataset, [key])


@pytest.mark.parametrize(
    "words",
    [
        ("orders", "pk=1"),
        ("orders", "pk=1", "sk=2", "sk=3"),
        ("orders", "pk=1", "sk=2", "and more"),
        ("orders", "pk=1", "other=2"),
        ("orders", "1", "2"),
        ("orders", "pk=1", "sk="),
        ("blobs", "digest=AAE=", "at=soon"),
        ("blobs", "digest=not base64", "at=1"),
        ("files", "two", "keys"),
        ("nowhere", "pk=1", "sk=2"),
    ],
)
def test_what_is_not_the_key_of_its_dataset_is_misuse(world: World, words: tuple[str, ...]) -> None:
    world.add(*OTHERS)
    answer = run("replicate", "dev", *words)
    assert answer.exit_code == 2, answer.output
    assert " ".join(words[:1]) in answer.stderr
    assert world.functions.asked == []


@pytest.mark.parametrize("dataset", OTHERS, ids=lambda dataset: dataset.name)
def test_letters_of_one_key_are_chosen_by_it_and_go_back(world: World, dataset: Dataset) -> None:
    world.add(*OTHERS)
    put(world, envelope(json.loads(message([numbered(dataset, 1), numbered(dataset, 2)], "test"))))
    put(world, envelope(json.loads(message([numbered(dataset, 3)], "test"))))
    answer = run("redrive", "--key", str(numbered(dataset, 2)), "--yes", "--json")
    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.stdout)
    assert (told["redriven"], told["letters"][0]["keys"]) == (1, [str(numbered(dataset, n)) for n in (1, 2)])
    assert [notice.key for notice in world.notices()] == [numbered(dataset, 1), numbered(dataset, 2)]
    assert len(world.bodies(world.dlq)) == 1
