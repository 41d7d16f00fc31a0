"""The version that a deploy is of, wherever it has to stand."""

from typing import Any

from pipeline_common.contracts import ProcessingOutputs, ReplicationOutputs, StorageOutputs
from pipeline_common.release import Version, deploying, version_described
from processor_lambda.settings import ProcessorSettings
from replication_core.route_spec import ROUTE_FILE, ROUTES_FILE, RouteSpec
from tests.infra.deployed import TARGETS, committed_replication, processing, replication
from tests.infra.recording import record

FUNCTION = "aws:lambda/function:Function"
VERSION = "v1.4.0+3.gabc1234"
VERIFIED = [{"environment": target, "verify": {"schedule": "rate(1 day)"}} for target in TARGETS]


def test_replication_says_its_version_in_every_functions_description_and_archive_and_in_the_contract() -> None:
    with deploying(Version.parse(VERSION)):
        deployed = replication({"replication:targets": VERIFIED})
    functions = deployed.of(FUNCTION)
    assert len(functions) == 2 * len(TARGETS) + 1
    assert {str(version_described(one.inputs["description"])) for one in functions} == {VERSION}
    documents: list[Any] = list(deployed.named(FUNCTION, "items-notifier").archived(ROUTES_FILE))
    documents += [one.archived(ROUTE_FILE) for one in functions if one.name != "items-notifier"]
    contract = ReplicationOutputs.parse(deployed.outputs)
    documents += [route.spec for route in contract.routes.values()]
    assert {RouteSpec.parse(each).release for each in documents} == {VERSION}
    assert contract.release == VERSION


def test_processing_says_its_version_in_its_description_its_settings_and_the_contract() -> None:
    with deploying(Version.parse(VERSION)):
        deployed = processing("dev")
    function = deployed.named(FUNCTION, "processor").inputs
    assert str(version_described(function["description"])) == VERSION
    assert ProcessorSettings.from_env(function["environment"]["variables"]).release == VERSION
    assert ProcessingOutputs.parse(deployed.outputs).release == VERSION


def test_storage_says_its_version_in_the_contract() -> None:
    with deploying(Version.parse(VERSION)):
        deployed = record("storage", "dev")
    assert StorageOutputs.parse(deployed.outputs).release == VERSION


def test_a_program_that_is_run_by_hand_says_that_its_version_is_unknown() -> None:
    assert committed_replication().outputs["release"] == "v0.0.0+unknown"
