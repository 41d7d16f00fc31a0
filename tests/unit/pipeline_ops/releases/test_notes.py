from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from pipeline_common.release import Release, Version
from pipeline_ops.releases.contract_changes import CONTRACTS_SOURCE, ContractChange
from pipeline_ops.releases.notes import ReleaseNotes, archives_noted, proposed_bump, with_notes
from pipeline_ops.releases.versions import Commit

ROOT = Path(__file__).parents[4]
FORMER = Version.parse("v1.3.0")
FIRST = Release("replication", Version.parse("v1.0.0"))
REPAIR = Commit("a" * 40, "replicator_lambda: keep the one that failed")
OWN = Commit("b" * 40, "replication: alarm on drift")
BREAKING = Commit("c" * 40, "queue_worker!: write envelopes of another form")
DIGEST = "0123456789abcdef" * 4
CONTRACTS = """
class Contract:
    PROJECT: ClassVar[str]
    environment: str

class RouteOutputs:
    queue_url: str

class StorageOutputs(Contract):
    PROJECT: ClassVar[str] = "storage"
    dlq_url: str

class ReplicationOutputs(Contract):
    PROJECT: ClassVar[str] = "replication"
    capture: str
    routes: Mapping[str, RouteOutputs]
"""


def notes(*commits: Commit, former: Version | None = FORMER, **changes: ContractChange) -> ReleaseNotes:
    return ReleaseNotes(
        release=Release("replication", Version.parse("v1.4.0")),
        former=former,
        on=date(2026, 1, 2),
        commits=commits,
        contract=changes.get("contract", ContractChange()),
        needs={"storage": ("dlq_alarm_name",)},
        archives={"replicator_lambda": DIGEST},
    )


@pytest.mark.parametrize(
    ("commits", "contract", "part"),
    [
        ([REPAIR], ContractChange(), "patch"),
        ([REPAIR, OWN], ContractChange(), "minor"),
        ([REPAIR], ContractChange(new=("release",)), "minor"),
        ([REPAIR, OWN], ContractChange(new=("release",), gone=("rule_name",)), "major"),
        ([REPAIR, BREAKING], ContractChange(), "major"),
    ],
)
def test_a_release_is_proposed_by_what_readers_of_the_contract_and_operators_will_notice(
    commits: list[Commit], contract: ContractChange, part: str
) -> None:
    assert proposed_bump("replication", FORMER, commits, contract).part == part


def test_the_first_release_is_version_one() -> None:
    assert proposed_bump("replication", None, [REPAIR], ContractChange()) == ("major", "it is the first release")


def test_a_contract_changes_by_its_own_outputs_its_bases_and_those_that_it_nests() -> None:
    present = (
        CONTRACTS.replace("    environment: str", "    environment: str\n    release: str")
        .replace("    queue_url: str", "    queue_url: list[str]")
        .replace("    capture: str\n", "")
        .replace("    dlq_url: str", "    dlq_url: str\n    dlq_alarm: str")
    )
    assert ContractChange.between(CONTRACTS, present, "replication") == ContractChange(
        new=("release",), gone=("capture", "RouteOutputs.queue_url")
    )
    assert ContractChange.between(CONTRACTS, present, "storage").new == ("dlq_alarm", "release")


def test_the_contracts_of_this_repository_are_found() -> None:
    source = (ROOT / CONTRACTS_SOURCE).read_text()
    new = ContractChange.between("", source, "replication").new
    assert {"environment", "capture", "RouteOutputs.queue_url"} <= set(new)
    assert "dlq_url" not in new


def test_the_notes_say_what_has_changed_by_area_what_it_needs_and_which_archives_it_has() -> None:
    gone = ContractChange(new=("release",), gone=("rule_name",))
    assert notes(REPAIR, OWN, contract=gone).text == (
        "## replication v1.4.0 (2026-01-02)\n\n"
        "Since v1.3.0:\n\n"
        "- replication: alarm on drift (bbbbbbb)\n"
        "- replicator_lambda: keep the one that failed (aaaaaaa)\n\n"
        "The contract has `release` besides.\n\n"
        "The contract no longer has `rule_name` as before.\n\n"
        "Deploy storage first where that does not export `dlq_alarm_name` yet.\n\n"
        f"Archive `replicator_lambda`: `sha256:{DIGEST}`\n"
    )


def test_the_digests_are_read_from_the_notes_and_from_no_commits_subject() -> None:
    forged = Commit("d" * 40, f"Archive `replicator_lambda`: `sha256:{'f' * 64}`")
    release, former = notes(forged), replace(notes(REPAIR), release=FIRST, archives={"replicator_lambda": "0" * 64})
    changelog = with_notes(with_notes("", former), release)
    assert archives_noted(changelog, release.release) == {"replicator_lambda": DIGEST}
    assert archives_noted(changelog, FIRST) == {"replicator_lambda": "0" * 64}
    assert archives_noted(changelog, Release("storage", FIRST.version)) == {}


def test_the_newest_release_is_the_changelogs_first() -> None:
    first = with_notes("", notes(REPAIR, former=None))
    second = with_notes(first, replace(notes(OWN), release=Release.parse("replication/v9.0.0")))
    assert first.startswith("# Changelog\n")
    assert (second.count("# Changelog"), second.count("the newest first")) == (1, 1)
    assert second.index("alarm on drift") < second.index("The first release, of 1 commit.")
