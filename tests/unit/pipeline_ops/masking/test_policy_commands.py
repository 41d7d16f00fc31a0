"""`mask check` and `mask diff`, on checkouts of their own: what is told, and with which exit code."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipeline_ops.cli import cli
from tests.unit.pipeline_ops.repositories import IDENTITY

POLICY = """\
version: 1
namespaces: {customer: {}}
datasets:
  items:
    key: {id: {pseudonym: customer}, timestamp: keep}
    attributes: {amount: {keep: {type: N, reason: no person}}}
  objects:
    - match: incoming/{file}.csv
      key: {file: keep}
      body: {format: csv, columns: {id: {pseudonym: customer}, timestamp: keep, amount: keep}}
"""
FILE = "projects/replication/policies/dev.yaml"
SETTINGS = """\
config:
  replication:targets:
    - {environment: dev, masking: policies/dev.yaml}
    - {environment: staging, masking: none, reason: it holds made-up data alone}
"""


class Checkout:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for project in ("storage", "processing", "replication"):
            self.write(f"projects/{project}/Pulumi.yaml", f"name: {project}\n")
            self.write(f"projects/{project}/Pulumi.prod.yaml", "config: {}\n")
        self.write("projects/storage/Pulumi.dev.yaml", "config: {}\n")
        self.write("projects/replication/Pulumi.prod.yaml", SETTINGS)
        self.write(FILE, POLICY)

    def write(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def commit(self) -> None:
        for command in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "all")):
            subprocess.run(["git", *command], cwd=self.folder, env={**os.environ, **IDENTITY}, check=True)

    def mask(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, ["mask", *arguments])

    def document(self, *arguments: str) -> Any:
        return json.loads(self.mask(*arguments, "--json").stdout)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.chdir(tmp_path)
    return Checkout(tmp_path)


def test_nothing_is_wrong_with_the_policies_of_this_repository_nor_meant_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(Path(__file__).parents[4])
    answer = CliRunner().invoke(cli, ["mask", "check", "--json"])
    assert answer.exit_code == 0
    assert [policy["faults"] for policy in json.loads(answer.stdout)["policies"]] == [[]]


def test_policies_that_nothing_is_wrong_with_are_told_with_what_they_have(checkout: Checkout) -> None:
    answer = checkout.mask("check")
    assert answer.exit_code == 0
    assert f"{FILE} (dev): 7 rules for 1 table and 1 bucket" in answer.stdout
    assert "(staging): masks nothing: it holds made-up data alone" in answer.stdout


def test_what_is_wrong_is_told_in_a_table_and_as_a_document_with_exit_code_1(checkout: Checkout) -> None:
    checkout.write(FILE, POLICY.replace("timestamp: keep}\n    attributes", "timestmap: keep}\n    attributes"))
    answer = checkout.mask("check")
    assert answer.exit_code == 1
    assert "has no rule for timestamp" in answer.stdout
    [policy, _] = checkout.document("check")["policies"]
    assert (policy["file"], policy["usable"]) == (FILE, False)
    assert {fault["line"] for fault in policy["faults"]} == {5}


@pytest.mark.parametrize("used", ["indexes: {by: {partitionKey: {name: state, type: S}}}", "timeToLive: state"])
def test_a_policy_is_held_against_what_the_committed_settings_say_is_stored(checkout: Checkout, used: str) -> None:
    checkout.write(
        "projects/storage/Pulumi.prod.yaml",
        "config:\n  storage:datasets:\n    objects: {kind: bucket}\n    items: {kind: table, "
        f"partitionKey: {{name: id, type: S}}, sortKey: {{name: timestamp, type: N}}, {used}}}\n",
    )
    [policy, _] = checkout.document("check")["policies"]
    assert [fault["place"] for fault in policy["faults"]] == ["datasets.items.attributes.state"]


def test_a_deploy_refuses_what_the_check_does_before_it_asks_pulumi_or_aws(checkout: Checkout) -> None:
    checkout.write(FILE, POLICY.replace("amount: {keep", "amonut: {keep"))
    checkout.write(
        "projects/processing/Pulumi.prod.yaml",
        "config:\n  processing:schema: [{name: amount, type: number, required: true}]\n",
    )
    checkout.write(FILE, POLICY.replace("keep, amount: keep}}", "keep, amount: drop}}"))
    for command in ("deploy", "preview"):
        answer = CliRunner().invoke(cli, [command, "replication", "prod", "--routes", "dev"])
        assert answer.exit_code == 2
        assert "has no amount, without which the processor rejects a record" in " ".join(answer.stderr.split())


def test_the_next_policy_of_a_target_is_checked_as_the_present_one_is(checkout: Checkout) -> None:
    checkout.write(
        "projects/replication/Pulumi.prod.yaml",
        SETTINGS.replace("policies/dev.yaml}", "policies/dev.yaml, shadow: policies/next.yaml}"),
    )
    checkout.write("projects/replication/policies/next.yaml", POLICY.replace("  objects:", "  files:"))
    for words in ([], ["dev"]):
        present, following, *_ = checkout.document("check", *words)["policies"]
        assert (present["usable"], following["usable"], following["targets"]) == (True, False, ["dev"])


def test_a_policy_is_held_against_the_processors_schema(checkout: Checkout) -> None:
    checkout.write(
        "projects/processing/Pulumi.prod.yaml",
        "config:\n  processing:schema: [{name: amount, type: number}]\n",
    )
    checkout.write(FILE, POLICY.replace("amount: keep}}", "amount: {pseudonym: customer}}}"))
    assert "add `type: N` beside pseudonym" in checkout.mask("check").stdout


def test_a_dataset_that_the_target_does_not_get_needs_no_rules(checkout: Checkout) -> None:
    checkout.write(
        "projects/replication/Pulumi.prod.yaml", SETTINGS.replace("masking: pol", "items: false, masking: pol")
    )
    without = "\n".join(POLICY.splitlines()[:3] + POLICY.splitlines()[6:]) + "\n"
    checkout.write(FILE, without)
    assert checkout.mask("check").exit_code == 0


def test_a_target_that_says_nothing_of_masking_is_a_fault(checkout: Checkout) -> None:
    checkout.write("projects/replication/Pulumi.prod.yaml", "config:\n  replication:targets: [{environment: dev}]\n")
    answer = checkout.mask("check")
    assert answer.exit_code == 1
    assert "masking: policies/dev.yaml" in answer.stdout
    assert "masking: none" in answer.stdout


def test_a_target_or_a_file_may_be_named(checkout: Checkout) -> None:
    checkout.write("draft.yaml", "version: 1\ndatasets: {}\n")
    found = checkout.document("check", "draft.yaml", "dev")["policies"]
    assert [policy["file"] for policy in found] == ["draft.yaml", FILE]
    assert [policy["targets"] for policy in found] == [[], ["dev"]]


def test_a_file_that_a_target_names_and_that_is_not_there_is_a_fault(checkout: Checkout) -> None:
    (checkout.folder / FILE).unlink()
    answer = checkout.mask("check")
    assert answer.exit_code == 1
    assert "No such file" in answer.stdout


@pytest.mark.parametrize("word", ["nobody", "staging"])
def test_a_word_that_names_no_policy_is_misuse(checkout: Checkout, word: str) -> None:
    assert checkout.mask("check", word).exit_code == 2


def test_what_changed_since_a_commit_is_told_with_reasons_and_ends_well(checkout: Checkout) -> None:
    checkout.commit()
    assert "dev: projects/replication/policies/dev.yaml: nothing changed" in checkout.mask("diff", "HEAD").stdout
    checkout.write(
        FILE,
        POLICY.replace("amount: {keep: {type: N", "name: {last: 2}, amount: {keep: {type: [N, S]").replace(
            "version: 1\n", "version: 1\nunclassified: drop\n"
        ),
    )
    answer = checkout.mask("diff", "HEAD")
    assert answer.exit_code == 0
    assert "3 looser, 2 loosenings without a reason" in answer.stdout
    assert [checkout.mask("diff", "HEAD", "--exit-code", *more).exit_code for more in ([], ["--json"])] == [1, 1]
    [dev, staging] = checkout.document("diff", "HEAD")["changes"]
    told = {each["place"]: (each["effect"], each["reason"], each["needs_reason"]) for each in dev["differences"]}
    assert told == {
        "unclassified": ("looser", "", True),
        "datasets.items.attributes.amount": ("looser", "no person", False),
        "datasets.items.attributes.name": ("looser", "", True),
    }
    assert (staging["targets"], staging["differences"]) == (["staging"], [])


def test_a_target_that_is_no_longer_masked_is_looser_with_its_reason_and_the_other_way_round(
    checkout: Checkout,
) -> None:
    checkout.commit()
    swapped = SETTINGS.replace("dev, masking: policies/dev.yaml", "dev, masking: none, reason: a test").replace(
        "staging, masking: none, reason: it holds made-up data alone", "staging, masking: policies/dev.yaml"
    )
    checkout.write("projects/replication/Pulumi.prod.yaml", swapped)
    [dev, staging] = checkout.document("diff", "HEAD", "--exit-code")["changes"]
    assert [(each["effect"], each["reason"]) for each in dev["differences"]] == [("looser", "a test")]
    assert checkout.mask("diff", "HEAD", "--exit-code").exit_code == 0
    assert [(each["effect"], each["after"]) for each in staging["differences"]] == [("tighter", "masked")]


def test_a_commit_that_is_none_is_misuse_and_a_policy_that_is_none_a_failure(checkout: Checkout) -> None:
    checkout.commit()
    assert checkout.mask("diff", "nobody").exit_code == 2
    checkout.write(FILE, "version: 3\n")
    answer = checkout.mask("diff", "HEAD")
    assert (answer.exit_code, "is no policy" in answer.stderr) == (1, True)
