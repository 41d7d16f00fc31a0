"""A deploy route by route: the order, the way back, what is passed over the next time, and the report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeline_common.holds import Hold
from pipeline_common.infra.part import WHOLE, Part, Shift
from pipeline_ops.deployment import Result
from pipeline_ops.errors import INTERRUPTED, OperatorError
from pipeline_ops.history import DEPLOY, DONE, FAILED, JUDGED, ROLLBACK, DeployRecord, History
from pipeline_ops.live_aliases import route_function
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.routes.deployed_replication import DeployedReplication
from pipeline_ops.routes.progressive import ProgressiveDeploy
from pipeline_ops.routes.progressive_command import report
from pipeline_ops.state import Backend
from pipeline_ops.where import AWS
from tests.unit.pipeline_ops.routes.conftest import World
from tests.unit.pipeline_ops.routes.test_soak import FORMER, NEW, Versions, is_item, refusing, versions

__all__ = ["versions"]

STACK = StackId("replication", "prod")
RELEASES = {FORMER: "v1.3.0", NEW: "v1.4.0"}


@dataclass
class Engine:
    """Deploys by moving the routes' aliases, and is a Deployment as far as a progressive deploy asks it."""

    world: World
    history: History
    projects: Projects
    is_deployed: bool = True
    moves: bool = True
    parts: list[Part] = field(default_factory=list)
    aliases: dict[str, dict[str, Any]] = field(default_factory=dict)
    caller: str = "somebody"

    def deployed(self) -> frozenset[StackId]:
        return frozenset([STACK] if self.is_deployed else [])

    def up(self, project: str, environment: str, part: Part = WHOLE) -> Result:
        self.parts.append(part)
        for target in part.routes if self.moves else ():
            before = self.aliases[target]["FunctionVersion"]
            weights = {NEW: part.shift.share} if part.shift and part.shift.former != NEW else {}
            version = part.shift.former if part.shift else NEW
            self.aliases[target] = {"FunctionVersion": version, "RoutingConfig": {"AdditionalVersionWeights": weights}}
            moved = {"before": {route_function(target): before}, "after": {route_function(target): version}}
            self.append(what=DEPLOY, routes=(target,), **moved)
        return Result(StackId(project, environment), "deploy", {"update": 1}, 0.1)

    def append(self, **told: Any) -> None:
        at = f"2030-01-01T00:00:{len(list(self.history.records())):02}+00:00"
        self.history.append(DeployRecord(**{"at": at, "who": "x", "release": "v1.4.0", **told}))

    def hold(self, _project: str, _environment: str, target: str, hold: Hold) -> None:
        self.world.holds[target] = hold.document()

    def get_alias(self, *, FunctionName: str, **_: Any) -> Any:  # noqa: N803 - boto3's own names
        return self.aliases[FunctionName.removesuffix("-function_name")]

    def update_alias(self, *, FunctionName: str, **wanted: Any) -> None:  # noqa: N803 - boto3's own names
        self.aliases[FunctionName.removesuffix("-function_name")] = wanted

    def get_paginator(self, _name: str) -> Any:
        return self

    def paginate(self, **_: Any) -> Any:
        return [{"Versions": [{"Version": each, "Description": f"x ({told})"} for each, told in RELEASES.items()]}]


@pytest.fixture
def engine(world: World, versions: Versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    for target, spec in world.specs.items():
        world.specs[target] = {**spec, "release": "v1.4.0", "soak_seconds": 0}
        world.holds[target] = {}
    history = History(Backend(tmp_path.as_uri()), STACK, print)
    made = Engine(
        world, history, Projects(tmp_path), aliases={target: {"FunctionVersion": FORMER} for target in world.specs}
    )
    for name in ("get_alias", "update_alias", "get_paginator"):
        monkeypatch.setattr(world.functions, name, getattr(made, name), raising=False)

    def deployed(_: object) -> DeployedReplication:
        return DeployedReplication(
            replication=world.replication,
            dead_letters=world.dead_letters,
            history=history,
            repository=tmp_path,
            quiet_seconds=0,
        )

    monkeypatch.setattr(ProgressiveDeploy, "_deployed", deployed)
    return made


def progressive(engine: Engine, weight: int | None = None, say: Any = print) -> ProgressiveDeploy:
    deployment: Any = engine
    return ProgressiveDeploy(deployment=deployment, stack=STACK, weight=weight, ends_holds=False, say=say)


def recorded(engine: Engine) -> list[tuple[str, str, str]]:
    """What the history tells beside the deploys, the oldest first."""
    records = list(engine.history.records())
    return sorted((each.what, each.routes[0], each.result) for each in records if each.what != DEPLOY)


def test_the_routes_come_one_after_the_other_and_the_whole_stack_after_them(engine: Engine) -> None:
    progress = progressive(engine).run(["dev", "staging"], whole=True)
    assert progress.well
    assert [part.routes for part in engine.parts] == [("dev",), ("staging",), ()]
    assert [(each.target, each.former) for each in progress.judgements] == [("dev", FORMER), ("staging", FORMER)]
    assert recorded(engine) == [(JUDGED, "dev", DONE), (JUDGED, "staging", DONE)]


def test_only_the_chosen_routes_are_deployed_where_some_were_chosen(engine: Engine) -> None:
    progressive(engine).run(["staging"], whole=False)
    assert [part.routes for part in engine.parts] == [("staging",)]


def test_a_route_that_is_not_well_goes_back_and_the_ones_after_it_are_not_touched(
    engine: Engine, versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    versions.new = refusing(engine.world, is_item)
    progress = progressive(engine).run(["dev", "staging"], whole=True)
    assert not progress.well
    assert [part.routes for part in engine.parts] == [("dev",)]
    assert engine.aliases["dev"]["FunctionVersion"] == FORMER
    assert engine.aliases["staging"] == {"FunctionVersion": FORMER}
    assert engine.world.holds["dev"]["from_release"] == "v1.4.0"
    assert recorded(engine) == [(JUDGED, "dev", FAILED), (ROLLBACK, "dev", DONE)]
    with pytest.raises(SystemExit) as ended:
        report(progress, AWS, as_json=False)
    assert ended.value.code == 1
    said = capsys.readouterr().out
    assert "not well" in said
    assert "dev: 1 key could not be reconciled, such as i@1.5: KeyError: why" in said
    assert f"The route to dev is back at v1.3.0 ({FORMER}), and held there" in said
    assert progress.exported()["back_at"] == FORMER


def test_what_it_was_exercised_with_is_made_anew_by_the_former_version(engine: Engine, versions: Versions) -> None:
    versions.new = refusing(engine.world, is_item)
    progressive(engine).run(["dev"], whole=False)
    again = {key for version, key in versions.invoked if version == "live"}
    assert again == {key for version, key in versions.invoked if version == NEW}


def test_the_next_one_passes_over_what_was_judged_well_and_judges_what_was_not(engine: Engine) -> None:
    def interrupt(said: str) -> None:
        if said.startswith("Watching staging"):
            raise KeyboardInterrupt

    with pytest.raises(OperatorError, match=r"Interrupted while the route to staging was watched at v1\.4\.0") as cut:
        progressive(engine, say=interrupt).run(["dev", "staging"], whole=True)
    assert cut.value.exit_code == INTERRUPTED
    progress = progressive(engine).run(["dev", "staging"], whole=True)
    assert [(each.target, each.former) for each in progress.judgements] == [("staging", FORMER)]


def test_what_was_put_back_since_it_was_judged_well_is_judged_again(engine: Engine) -> None:
    progressive(engine).run(["dev"], whole=False)
    after: Mapping[str, str] = {route_function("dev"): FORMER}
    engine.append(what=ROLLBACK, routes=("dev",), after=after, at="2031-01-01T00:00:00+00:00")
    assert [each.target for each in progressive(engine).run(["dev"], whole=False).judgements] == ["dev"]


def test_what_was_judged_of_a_function_that_is_gone_says_nothing_of_the_one_that_is_there(engine: Engine) -> None:
    progressive(engine).run(["dev"], whole=False)
    engine.append(what=DEPLOY, after={route_function("dev"): FORMER}, at="2031-01-01T00:00:00+00:00")
    engine.aliases["dev"] = {"FunctionVersion": FORMER}
    assert [each.target for each in progressive(engine).run(["dev"], whole=False).judgements] == ["dev"]


def test_a_route_whose_way_back_was_cut_off_is_not_judged_at_its_former_version(
    engine: Engine, versions: Versions
) -> None:
    progressive(engine).run(["dev"], whole=False)
    engine.aliases["dev"] = {"FunctionVersion": FORMER}
    engine.moves = False  # since the state tells the release still, a deploy finds nothing to change
    with pytest.raises(OperatorError, match=rf"nox -s rollback -- dev {FORMER}.*nox -s refresh -- replication prod"):
        progressive(engine).run(["dev"], whole=True)
    assert recorded(engine) == [(JUDGED, "dev", DONE)]


def test_a_route_that_somebody_puts_back_while_it_is_watched_ends_the_deploy(engine: Engine) -> None:
    def put_back(said: str) -> None:
        if said.startswith("Watching dev"):
            engine.aliases["dev"] = {"FunctionVersion": FORMER}

    with pytest.raises(OperatorError, match=r"somebody has put the route to dev back to v1\.3\.0"):
        progressive(engine, say=put_back).run(["dev", "staging"], whole=True)
    assert [part.routes for part in engine.parts] == [("dev",)]


def test_a_way_back_that_the_state_is_not_told_of_is_said_with_what_was_seen(
    engine: Engine, versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: Any) -> None:
        raise OperatorError("replication/prod is locked by another run.")

    versions.new = refusing(engine.world, is_item)
    monkeypatch.setattr(engine, "hold", locked)
    with pytest.raises(OperatorError, match=r"1 key could not be reconciled.* is back at v1\.3\.0") as cut:
        progressive(engine).run(["dev"], whole=True)
    assert f"nox -s rollback -- dev {FORMER}" in str(cut.value)
    assert engine.aliases["dev"]["FunctionVersion"] == FORMER


def test_a_held_route_is_refused_with_what_ends_it_before_another_one_is_deployed(engine: Engine) -> None:
    hold = Hold(version=FORMER, release="v1.3.0", from_release="v1.4.0", by="x", at="2030")
    engine.world.holds["staging"] = hold.document()
    with pytest.raises(OperatorError, match=r"held at v1\.3\.0, since it was put back from v1\.4\.0.*--end-holds"):
        progressive(engine).run(["dev", "staging"], whole=True)
    assert engine.parts == []


def test_by_weight_the_former_version_keeps_the_most_until_the_release_is_judged(
    engine: Engine, versions: Versions
) -> None:
    assert progressive(engine, weight=10).run(["dev"], whole=False).well
    assert [part.shift for part in engine.parts] == [Shift(former=FORMER, share=0.1), None]
    assert engine.aliases["dev"]["FunctionVersion"] == NEW


def test_by_weight_too_a_release_that_is_not_well_goes_back(engine: Engine, versions: Versions) -> None:
    versions.new = refusing(engine.world, is_item)
    assert not progressive(engine, weight=10).run(["dev"], whole=False).well
    assert len(engine.parts) == 1
    assert engine.aliases["dev"]["FunctionVersion"] == FORMER
    assert engine.aliases["dev"]["RoutingConfig"] == {"AdditionalVersionWeights": {}}
    assert engine.world.holds["dev"]["from_release"] == "v1.4.0"


def test_the_first_deploy_is_of_the_whole_stack(engine: Engine) -> None:
    engine.is_deployed = False
    assert progressive(engine).run(["dev", "staging"], whole=True).well
    assert engine.parts == [Part()]
