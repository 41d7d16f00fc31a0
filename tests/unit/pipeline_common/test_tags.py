"""Tags."""

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
