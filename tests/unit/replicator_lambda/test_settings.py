"""The settings' way through a function's environment."""

import subprocess
import sys

import pytest

from replication_core.environment import SettingsError
from replication_core.route_spec import NOTIFICATIONS, ReplicatorSettings
from replicator_lambda.settings import NotifierSettings

SETTINGS = ReplicatorSettings(
    target="dev",
    source_environment="prod",
    source_bucket="prod-bucket",
    source_table="prod-table",
    source_region="eu-west-1",
    target_bucket="dev-bucket",
    target_table="dev-table",
    target_region="eu-central-1",
    queue_url="https://sqs/queue",
    dlq_url="https://sqs/dlq",
    success_topic_arn="arn:aws:sns:eu-west-1:123456789012:success",
    failure_topic_arn="arn:aws:sns:eu-west-1:123456789012:failure",
    notifications="failures",
    object_include=("a,b/", "é/"),
    object_exclude=('quoted"/',),
    replicate_items=False,
)


def test_settings_survive_the_environment_unchanged() -> None:
    assert ReplicatorSettings.from_env({**SETTINGS.to_env(), "HOME": "/"}) == SETTINGS


def test_the_notifiers_queues_survive_the_environment_unchanged() -> None:
    settings = NotifierSettings(
        targets=("dev", "staging"), queue_urls=("https://sqs/dev", "https://sqs/staging"), dlq_url="https://sqs/dead"
    )
    assert NotifierSettings.from_env(settings.to_env()) == settings


def test_a_missing_variable_is_named() -> None:
    environment = SETTINGS.to_env()
    del environment["REPLICATOR_TARGET_BUCKET"]
    with pytest.raises(SettingsError, match="REPLICATOR_TARGET_BUCKET is not set"):
        ReplicatorSettings.from_env(environment)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("REPLICATOR_REPLICATE_ITEMS", "yes"),
        ("REPLICATOR_REPLICATE_ITEMS", '["true"]'),
        ("REPLICATOR_OBJECT_INCLUDE", "a,b"),
        ("REPLICATOR_OBJECT_INCLUDE", '["a", 1]'),
        ("REPLICATOR_OBJECT_INCLUDE", "true"),
    ],
)
def test_a_malformed_variable_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        ReplicatorSettings.from_env({**SETTINGS.to_env(), variable: value})


def test_an_unknown_way_of_notifying_is_refused() -> None:
    with pytest.raises(SettingsError, match="one of each, batch, failures, not 'sometimes'"):
        ReplicatorSettings.from_env({**SETTINGS.to_env(), "REPLICATOR_NOTIFICATIONS": "sometimes"})


@pytest.mark.parametrize("mode", NOTIFICATIONS)
def test_every_way_of_notifying_survives_the_environment(mode: str) -> None:
    environment = {**SETTINGS.to_env(), "REPLICATOR_NOTIFICATIONS": mode}
    assert ReplicatorSettings.from_env(environment).notifications == mode


@pytest.mark.parametrize(
    ("include", "exclude", "key", "wanted"),
    [
        ((), (), "any", True),
        (("a/",), (), "a/1", True),
        (("a/",), (), "b/1", False),
        (("a/", "b/"), ("a/private/",), "a/private/1", False),
        (("a/", "b/"), ("a/private/",), "b/1", True),
        ((), ("tmp/",), "tmp/1", False),
    ],
)
def test_a_route_wants_what_its_prefixes_include_and_do_not_exclude(
    include: tuple[str, ...], exclude: tuple[str, ...], key: str, wanted: bool
) -> None:
    environment = SETTINGS.to_env()
    settings = ReplicatorSettings.from_env(environment)
    settings = ReplicatorSettings(**{**vars(settings), "object_include": include, "object_exclude": exclude})
    assert settings.wants_object(key) is wanted


def test_the_settings_import_nothing_but_the_standard_library() -> None:
    script = (
        "import sys, replicator_lambda.settings;print('boto3' in sys.modules, 'aws_lambda_powertools' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False", "False"]
