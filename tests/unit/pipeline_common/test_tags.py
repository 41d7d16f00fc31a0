"""Tags."""

import pytest

from pipeline_common.environments import Environment
from pipeline_common.infra.aws_provider import DefaultTags
from pipeline_common.tags import DEFAULT_TAG_KEYS, resource_tags


def test_a_resource_is_tagged_by_environment_project_manager_and_name() -> None:
    assert resource_tags("storage", Environment("dev"), "objects") == {
        "Environment": "dev",
        "Project": "storage",
        "ManagedBy": "Pulumi",
        "Name": "storage-dev-objects",
    }


def test_every_default_tag_has_one_key_of_the_configuration() -> None:
    assert {field.alias for field in DefaultTags.model_fields.values()} == set(DEFAULT_TAG_KEYS)


def test_an_instances_resources_carry_its_suffix_too() -> None:
    tags = resource_tags("storage", Environment("dev", "pr5400"), "objects")
    assert (tags["Environment"], tags["Suffix"], tags["Name"]) == ("dev", "pr5400", "storage-dev-pr5400-objects")


def test_default_tags_are_the_configurations_then_those_of_ci_and_then_a_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("REPOSITORY", "COMMIT_AUTHOR", "TEAM"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PR_NUMBER", "5400")
    monkeypatch.setenv("TEAM", "by CI")
    monkeypatch.setenv("COMMIT_AUTHOR", "D'Arcy <d@example.com>")
    assert DefaultTags.model_validate({"team": "by file", "createdAt": "2026-01-15"}).as_tags() == {
        "Repository": "data-pipeline",
        "Author": "D-Arcy -d@example.com-",
        "PRNumber": "5400",
        "Team": "by file",
        "CreatedAt": "2026-01-15",
    }
