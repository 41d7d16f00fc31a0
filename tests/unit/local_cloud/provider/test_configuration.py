import json
from typing import Any

import pytest

from local_cloud.provider import configuration
from local_cloud.provider.configuration import ConfigurationError, Settings
from local_cloud.provider.session import Session
from local_cloud.provider.wire import UNKNOWN

COMPLETE = {
    "region": "eu-west-1",
    "accessKey": "test",
    "secretKey": "test",
    "endpoints": json.dumps([{"s3": "http://127.0.0.1:4566", "lambda": "http://127.0.0.1:4566"}]),
    "defaultTags": json.dumps({"tags": {"Team": "data"}}),
    "s3UsePathStyle": "true",
    "version": "7.51.1",
}


def _settings(**changes: Any) -> Settings:
    return Settings.of({**COMPLETE, **changes})


def test_what_the_engine_passes_as_json_is_read() -> None:
    settings = _settings()
    assert settings.endpoints["lambda"] == "http://127.0.0.1:4566"
    assert settings.default_tags == {"Team": "data"}


@pytest.mark.parametrize("name", ["region", "accessKey", "secretKey", "endpoints"])
def test_what_would_lead_to_aws_when_missing_is_required(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        _settings(**{name: None})


@pytest.mark.parametrize(
    "address",
    [
        "https://s3.eu-west-1.amazonaws.com",
        "https://amazonaws.com",
        "https://s3.cn-north-1.amazonaws.com.cn",
        "https://S3.AMAZONAWS.COM",
        "https://lambda.eu-west-1.api.aws",
        "https://s3.eu-west-1.amazonaws.com.",
    ],
)
def test_an_endpoint_of_aws_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="is AWS"):
        _settings(endpoints=json.dumps([{"s3": address}]))


def test_endpoints_without_an_address_are_none() -> None:
    with pytest.raises(ConfigurationError, match="endpoints"):
        _settings(endpoints=json.dumps([{}]))


def test_a_service_without_an_endpoint_is_refused_when_it_is_needed() -> None:
    with pytest.raises(ConfigurationError, match="none for dynamodb"):
        Session(_settings()).client("dynamodb")


@pytest.mark.parametrize("name", ["ignoreTags", "profile", "assumeRoles", "sharedCredentialsFiles"])
def test_configuration_that_is_not_implemented_is_refused_by_name(name: str) -> None:
    _, refusals = configuration.read({**COMPLETE, name: "x"})
    assert [each.path for each in refusals] == [name]


def test_configuration_that_is_not_known_yet_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="must be known"):
        _settings(accessKey=UNKNOWN)


def test_the_secret_key_is_not_shown() -> None:
    assert "hidden" not in repr(_settings(secretKey="hidden"))
