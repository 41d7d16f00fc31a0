"""What a command on routes, or on dead letters, finds deployed: by the contracts that one release has exported."""

import json
from pathlib import Path

import pytest

from pipeline_ops import deployed_system
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.routes.deployed_replication import deployed_dead_letters, deployed_replication
from pipeline_ops.where import AWS

ROOT = Path(__file__).parents[4]
CONTRACTS = ROOT / "tests" / "recorded" / "release_1" / "contracts"
EXPORTED = {
    **{f"{project}/{name}": f"{project}_{name}" for project in ("storage", "processing") for name in ("dev", "prod")},
    "replication/prod": "replication_prod_native",
}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state of what is deployed: staging is not."""
    for stack, name in EXPORTED.items():
        outputs = json.loads((CONTRACTS / f"{name}.json").read_text())
        root = {"type": "pulumi:pulumi:Stack", "outputs": outputs}
        file = tmp_path / ".pulumi" / "stacks" / f"{stack}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"version": 3, "checkpoint": {"latest": {"resources": [root]}}}))
    monkeypatch.setenv("PULUMI_BACKEND_URL", tmp_path.as_uri())
    monkeypatch.setattr(deployed_system, "check_account", lambda *_: "111122223333")
    monkeypatch.chdir(ROOT)
    return tmp_path / ".pulumi" / "stacks"


@pytest.mark.parametrize(
    ("named", "environment", "sources", "processor"),
    [
        (None, "prod", {"dev", "staging", "prod"}, "prod"),
        ("prod", "prod", {"dev", "staging", "prod"}, "prod"),
        ("dev", "dev", {"dev"}, "dev"),
    ],
)
def test_each_environment_has_a_dead_letter_queue_whose_letters_go_back_to_where_they_came_from(
    named: str | None, environment: str, sources: set[str], processor: str
) -> None:
    queue = deployed_dead_letters(AWS, named)
    assert queue.environment == environment
    assert f"storage-{environment}-dead-letters" in queue.url
    assert set(queue.urls) == set(queue.names.values()) == sources
    assert queue.processor == processor
    assert f"processing-{processor}-queue" in queue.urls[processor]


def test_without_a_processor_or_a_replication_the_letters_are_shown_all_the_same(state: Path) -> None:
    for stack in ("processing/prod", "replication/prod"):
        (state / f"{stack}.json").unlink()
    assert deployed_dead_letters(AWS, None).urls == {}


def test_an_environment_that_there_is_not_is_misuse_and_one_that_is_not_deployed_is_told() -> None:
    with pytest.raises(OperatorError, match="storage has no nowhere stack") as refused:
        deployed_dead_letters(AWS, "nowhere")
    assert refused.value.exit_code == MISUSED
    with pytest.raises(OperatorError, match=r"storage/staging is not deployed: `nox -s deploy -- storage staging`\."):
        deployed_dead_letters(AWS, "staging")


def test_a_targets_storage_is_read_only_where_it_is_asked_for() -> None:
    deployed = deployed_replication(AWS)
    assert set(deployed.replication.routes) == {"dev", "staging"}
    assert deployed.dead_letters.url == deployed.replication.source.dlq_url
    assert deployed.replication.target_storage("dev").environment == "dev"
    with pytest.raises(OperatorError, match="storage/staging is not deployed"):
        deployed.replication.target_storage("staging")


def test_a_replication_that_is_not_deployed_is_told_with_what_deploys_it(state: Path) -> None:
    (state / "replication" / "prod.json").unlink()
    with pytest.raises(OperatorError, match=r"replication/prod is not deployed: `nox -s deploy -- replication prod`\."):
        deployed_replication(AWS)
