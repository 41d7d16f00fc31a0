"""A route's way back: which version is chosen, what is done first, and what is said when it can't be finished."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipeline_common.holds import Hold
from pipeline_common.release import Version
from pipeline_ops import cli
from pipeline_ops.errors import FAILED, MISUSED, OperatorError
from pipeline_ops.history import DEPLOY, ROLLBACK, DeployRecord, History
from pipeline_ops.projects import StackId
from pipeline_ops.routes import rollback_command
from pipeline_ops.routes.deployed_replication import DeployedReplication
from pipeline_ops.routes.rollback import LiveVersions, PublishedVersion, read_versions, roll_back
from pipeline_ops.routes.route import SourceRoutes
from pipeline_ops.state import Backend
from tests.unit.pipeline_ops.routes.conftest import World

RELEASES = {9: None, 10: "v1.2.0", 11: "v1.3.0", 12: "v1.4.0", 13: "v1.4.0+2.gabc1234"}
PUBLISHED = [PublishedVersion(each, Version.parse(release) if release else None) for each, release in RELEASES.items()]


def versions(live: int, recorded: str | None = None, published: Sequence[PublishedVersion] = PUBLISHED) -> LiveVersions:
    (now,) = [each for each in published if each.number == live]
    told = str(live) if recorded is None else recorded
    return LiveVersions(target="dev", published=published, live=now, recorded=told)


@pytest.mark.parametrize(
    ("live", "recorded", "asked", "before", "chosen"),
    [
        (12, None, None, None, 11),
        (13, None, None, "11", 11),
        (13, None, None, "3", 12),
        (13, "", None, None, 12),
        (13, None, "10", "11", 10),
        (13, None, "v1.3.0", None, 11),
        (11, None, "v1.4.0+2.gabc1234", None, 13),
        (11, "12", None, None, 11),
        (12, "11", None, None, 11),
    ],
)
def test_the_version_is_the_one_that_is_asked_for_else_the_one_that_was_live_before(
    live: int, recorded: str | None, asked: str | None, before: str | None, chosen: int
) -> None:
    assert versions(live, recorded).chosen(asked, before).number == chosen


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ("8", FAILED, r"has no version 8 to go back to: the newest are version 9, v1\.2\.0 \(10\), v1\.3\.0 \(11\)"),
        ("v1.1.0", FAILED, "has no version v1.1.0 to go back to"),
        ("latest", MISUSED, "'latest' is no version: write a number such as 12, or a release such as v1.3.0"),
    ],
)
def test_a_version_that_there_is_not_is_refused(asked: str, code: int, said: str) -> None:
    with pytest.raises(OperatorError, match=said) as refused:
        versions(12).chosen(asked, None)
    assert refused.value.exit_code == code


def test_of_a_release_that_has_a_part_of_the_invocations_the_way_back_is_the_version_that_has_the_others() -> None:
    sharing = replace(versions(11), shared=PUBLISHED[3])
    assert (sharing.chosen(None, "10").number, sharing.newest.number) == (11, 12)
    assert str(sharing.found_bad(sharing.live)) == "v1.4.0"


def test_of_many_versions_the_newest_are_named_where_another_is_asked_for() -> None:
    many = [PublishedVersion(number) for number in range(1, 400)]
    with pytest.raises(
        OperatorError, match="has no version 500 to go back to: the newest are version 390, "
    ) as refused:
        versions(399, published=many).chosen("500", None)
    assert len(str(refused.value)) < 300


def test_before_the_first_version_there_is_nothing_to_go_back_to() -> None:
    with pytest.raises(OperatorError, match="nothing to go back to: version 9 is the first version of its function"):
        versions(9).chosen(None, None)


@pytest.mark.parametrize(
    ("live", "recorded", "to", "more", "bad"),
    [
        (12, None, 11, None, "v1.4.0"),
        (11, "12", 11, None, "v1.4.0"),
        (11, None, 10, "v1.4.0", "v1.4.0"),
        (12, None, 12, None, "v1.4.0+2.gabc1234"),
    ],
)
def test_what_was_found_bad_is_the_newest_release_that_the_route_was_put_back_from(
    live: int, recorded: str | None, to: int, more: str | None, bad: str
) -> None:
    earlier = [Version.parse(more)] if more else []
    (chosen,) = [each for each in PUBLISHED if each.number == to]
    assert str(versions(live, recorded).found_bad(chosen, *earlier)) == bad


class Lambda:
    """The versions of one function, in pages, and its alias."""

    def __init__(self, live: str = "12") -> None:
        self.live = live
        self.asked: list[Mapping[str, Any]] = []
        self.archive = Path("/nowhere")

    def get_alias(self, **_: Any) -> Any:
        return {"FunctionVersion": self.live}

    def get_paginator(self, _name: str) -> Any:
        return self

    def paginate(self, **_: Any) -> Any:
        told = [(str(each.number), f"Makes it equal ({each.release})" if each.release else "") for each in PUBLISHED]
        all_of_them = [{"Version": number, "Description": text} for number, text in [("$LATEST", ""), *told]]
        return [{"Versions": all_of_them[:3]}, {"Versions": all_of_them[3:]}]

    def update_alias(self, **wanted: Any) -> None:
        self.asked.append(wanted)

    def get_function(self, **_: Any) -> Any:
        return {"Code": {"Location": self.archive.as_uri()}}


@pytest.fixture
def function() -> Lambda:
    return Lambda()


@pytest.fixture
def replication(world: World, function: Lambda) -> SourceRoutes:
    def client(_service: str, **_: Any) -> Any:
        return function

    return replace(world.replication, client=client)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(Backend(tmp_path.as_uri()), StackId("replication", "prod"), lambda _: None)


def back(replication: SourceRoutes, history: History, hold_in_state: Any) -> Hold:
    route = replication.route("dev")
    known = replace(read_versions(replication, route), recorded="12")
    return roll_back(
        replication, known, known.chosen(None, None), by="somebody", hold_in_state=hold_in_state, history=history
    )


def test_the_alias_goes_back_before_anything_else_is_done(
    replication: SourceRoutes, function: Lambda, history: History
) -> None:
    held: list[tuple[Hold, int]] = []
    hold = back(replication, history, lambda hold: held.append((hold, len(function.asked))))
    assert held == [(hold, 1)]
    (moved,) = function.asked
    assert (moved["Name"], moved["FunctionVersion"]) == ("live", "11")
    assert moved["RoutingConfig"] == {"AdditionalVersionWeights": {}}, "and no part of what comes goes elsewhere"
    assert (hold.version, hold.release, hold.from_release, hold.by) == ("11", "v1.3.0", "v1.4.0", "somebody")
    (record,) = history.records()
    assert (record.what, record.who, record.routes) == (ROLLBACK, "somebody", ("dev",))
    assert (record.before, record.after) == ({"route-dev-replicator": "12"}, {"route-dev-replicator": "11"})


def test_what_the_state_could_not_be_told_is_said_with_the_command_that_finishes_it(
    replication: SourceRoutes, function: Lambda, history: History
) -> None:
    def locked(_hold: Hold) -> None:
        raise OperatorError("replication/prod is locked by another run.")

    with pytest.raises(OperatorError, match=r"is back at v1\.3\.0 \(11\).*nox -s rollback -- dev 11.*is locked"):
        back(replication, history, locked)
    assert function.asked
    assert list(history.records()) == []


def test_an_alias_of_what_is_no_version_is_told_with_what_helps(replication: SourceRoutes, function: Lambda) -> None:
    function.live = "$LATEST"
    with pytest.raises(OperatorError, match=r"is of \$LATEST.*nox -s deploy -- replication prod"):
        read_versions(replication, replication.route("dev"))


@dataclass
class Held:
    """A deployment that is told of a hold."""

    told: list[tuple[str, str, str, Hold]] = field(default_factory=list)

    def hold(self, project: str, environment: str, target: str, hold: Hold) -> None:
        self.told.append((project, environment, target, hold))


@pytest.fixture
def held(
    world: World, replication: SourceRoutes, history: History, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Held:
    """The command, with a deployment that is told; the state tells what the alias of the function is of."""
    route = replication.route("dev")
    known = replace(route, outputs=replace(route.outputs, version="12"))
    deployed = DeployedReplication(
        replication=replace(replication, routes={"dev": known}),
        dead_letters=world.dead_letters,
        history=history,
        repository=tmp_path,
        quiet_seconds=0,
    )
    held = Held()
    monkeypatch.setattr(rollback_command, "deployed_replication", lambda _: deployed)
    monkeypatch.setattr(rollback_command, "open_deployment", lambda *_, **__: nullcontext(held))
    monkeypatch.setattr(rollback_command, "caller", lambda *_: "somebody")
    return held


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.cli, list(arguments))


def test_the_command_says_where_the_route_is_and_for_how_long(held: Held, function: Lambda) -> None:
    answer = run("rollback", "dev", "--yes")
    assert answer.exit_code == 0, answer.output
    assert "The route to dev is at v1.3.0 (11), where it was at v1.4.0 (12)" in answer.stdout
    assert (
        "until a release newer than v1.4.0 is deployed, or `nox -s deploy -- replication prod --end-holds`"
        in answer.stdout
    )
    ((*stack, hold),) = held.told
    assert (stack, hold.version) == (["replication", "prod", "dev"], "11")


def test_a_program_is_told_the_hold(held: Held) -> None:
    answer = json.loads(run("rollback", "dev", "v1.2.0", "--yes", "--json").stdout)
    assert (answer["target"], answer["from"]) == ("dev", "12")
    assert answer["held"]["version"] == "10"


def test_what_nobody_can_confirm_is_misuse_and_changes_nothing(held: Held, function: Lambda) -> None:
    assert run("rollback", "dev").exit_code == MISUSED
    assert (held.told, function.asked) == ([], [])


def test_a_route_goes_back_when_its_name_is_typed(
    held: Held, function: Lambda, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def type_another(question: str) -> str:
        asked.append(question)
        return "staging"

    monkeypatch.setattr(rollback_command, "at_terminal", lambda: True)
    monkeypatch.setattr(rollback_command, "ask", type_another)
    assert run("rollback", "dev").exit_code == FAILED
    assert function.asked == []
    monkeypatch.setattr(rollback_command, "ask", lambda _: "dev")
    assert run("rollback", "dev").exit_code == 0
    assert "from v1.4.0 (12) to v1.3.0 (11). Type dev" in asked[0]


@pytest.fixture
def masks(world: World) -> None:
    """The route that is live masks."""
    world.specs["dev"] = {**world.specs["dev"], "masking": {"version": 1}}


def archived(function: Lambda, path: Path, **more: Any) -> None:
    """Have each version's archive hold a specification with this besides."""
    function.archive = path
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("route.json", json.dumps({"release": "v1.3.0", **more}))


def deployed_as(history: History, version: str, **spec: Any) -> None:
    history.append(
        DeployRecord(
            what=DEPLOY,
            at="2026-11-27T10:00:00+00:00",
            who="somebody",
            release="v1.3.0",
            before={"route-dev-replicator": "1"},
            after={"route-dev-replicator": version},
            specs={"dev": {"release": "v1.3.0", **spec}},
        )
    )


def test_a_version_that_masks_nothing_is_gone_back_to_only_with_a_reason_which_the_history_keeps(
    masks: None, held: Held, function: Lambda, history: History
) -> None:
    deployed_as(history, "11", masking={})
    refused = run("rollback", "dev", "11", "--yes")
    assert refused.exit_code == MISUSED
    assert "Version 11 of the route to dev has no masking policy, and the present one has" in refused.stderr
    assert "--unmasked REASON" in refused.stderr
    assert (held.told, function.asked) == ([], [])
    assert run("rollback", "dev", "11", "--yes", "--unmasked", "no person is in it").exit_code == 0
    record = next(history.records())
    assert (record.what, record.said, record.specs["dev"]["masking"]) == (ROLLBACK, "no person is in it", {})


def test_what_a_version_masks_by_is_told_by_the_history_and_else_by_its_archive(
    masks: None, held: Held, function: Lambda, history: History, tmp_path: Path
) -> None:
    assert run("rollback", "dev", "11", "--yes").exit_code == MISUSED, "where nothing tells, it may mask nothing"
    archived(function, tmp_path / "function.zip")
    assert run("rollback", "dev", "11", "--yes").exit_code == MISUSED
    archived(function, tmp_path / "function.zip", masking={"version": 1})
    assert run("rollback", "dev", "11", "--yes").exit_code == 0
    function.archive = Path("/nowhere")
    deployed_as(history, "10", masking={"version": 1})
    assert run("rollback", "dev", "10", "--yes").exit_code == 0
