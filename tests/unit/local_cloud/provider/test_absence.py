"""What is not there is told in several ways, of which AWS documents one: each is read the same."""

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_cloud.provider.cloudwatch import Dashboard
from local_cloud.provider.configuration import Settings
from local_cloud.provider.event_sources import EventSourceMapping
from local_cloud.provider.resource import RefusedError, Resource, found
from local_cloud.provider.session import Session
from local_cloud.provider.sns import Topic, TopicSubscription

REGION = "us-east-1"


def refusal(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Get")


def failing(error: ClientError) -> Any:
    def call(**_: Any) -> Any:
        raise error

    return call


class Clients(Session):
    """A session whose clients are the test's own."""

    def __init__(self, **clients: Any) -> None:
        settings = Settings(
            region=REGION, access_key="", secret_key="", endpoints={}, default_tags={}, allowed_account_ids=()
        )
        super().__init__(settings)
        self.given = clients

    def client(self, service: str, region: str | None = None) -> Any:
        return self.given[service]


class Failing:
    """An API of which every call fails the same."""

    def __init__(self, error: ClientError) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        return failing(self.error)


def resource(kind: type[Resource], **clients: Any) -> Resource:
    return kind(Clients(**clients), REGION, {}, lambda _: None)


@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        (Dashboard, "ResourceNotFound", ""),
        (Dashboard, "DashboardNotFoundError", ""),
        (Dashboard, "InvalidParameterValue", "Dashboard replication-prod does not exist."),
        (Topic, "NotFound", "Topic does not exist"),
        (Topic, "NotFoundException", ""),
    ],
)
def test_what_is_absent_is_read_as_absent_however_it_is_told(kind: type[Resource], code: str, message: str) -> None:
    absent = resource(kind, **{kind.service: Failing(refusal(code, message))})
    assert absent.read("name") is None
    absent.delete("name")


@pytest.mark.parametrize(
    ("told", "documented"),
    [
        ("ResourceNotFoundException", "ResourceNotFoundException"),
        ("ResourceNotFound", "ResourceNotFoundException"),
        ("NoSuchEntityException", "NoSuchEntity"),
        ("NotFound", "NotFoundException"),
    ],
)
def test_an_error_is_known_by_its_name_and_by_its_code(told: str, documented: str) -> None:
    assert found(failing(refusal(told)), documented) is None


@pytest.mark.parametrize(
    "error",
    [
        refusal("InvalidParameterValue", "The parameter DashboardName is longer than 255 characters."),
        refusal("ValidationException", "1 validation error detected"),
        refusal("AccessDenied", "the role does not exist, or may not be assumed"),
        refusal("ThrottlingException", "Rate exceeded"),
        refusal(""),
    ],
)
def test_any_other_refusal_is_no_absence(error: ClientError) -> None:
    with pytest.raises(ClientError):
        found(failing(error), "ResourceNotFound")


class SubscriptionsWithoutTopics:
    """An SNS that keeps what a deleted topic's subscriptions were, as LocalStack's does."""

    def get_topic_attributes(self, **_: Any) -> Any:
        raise refusal("NotFound", "Topic does not exist")

    def get_subscription_attributes(self, **_: Any) -> Mapping[str, Any]:
        return {"Attributes": {"TopicArn": "topic", "Protocol": "email", "Endpoint": "oncall@example.com"}}


@pytest.mark.parametrize("protocol", ["email", "https"])
def test_a_subscription_is_gone_with_its_topic(protocol: str) -> None:
    known = {"topic": "topic", "protocol": protocol, "endpoint": "oncall@example.com"}
    session = Clients(sns=SubscriptionsWithoutTopics())
    assert TopicSubscription(session, REGION, known, lambda _: None).read("subscription") is None


class Functions:
    """A Lambda that finds an alias by GetFunction alone, as LocalStack's."""

    def list_event_source_mappings(self, **_: Any) -> Mapping[str, Any]:
        return {"EventSourceMappings": []}

    def get_function_configuration(self, **_: Any) -> Any:
        raise refusal("ResourceNotFoundException", "Function not found")

    def get_function(self, *, FunctionName: str) -> Mapping[str, Any]:  # noqa: N803
        assert FunctionName.endswith(":live")
        return {"Configuration": {"Timeout": 60}}

    def create_event_source_mapping(self, **_: Any) -> Mapping[str, Any]:
        return {"UUID": "made"}


class Queues:
    def __init__(self, visibility: int) -> None:
        self.visibility = visibility

    def get_queue_url(self, **_: Any) -> Mapping[str, Any]:
        return {"QueueUrl": "url"}

    def get_queue_attributes(self, **_: Any) -> Mapping[str, Any]:
        return {"Attributes": {"VisibilityTimeout": str(self.visibility)}}


def test_the_timeout_of_a_function_that_an_alias_names_is_found() -> None:
    inputs = {
        "eventSourceArn": "arn:aws:sqs:us-east-1:000000000000:queue",
        "functionName": "arn:aws:lambda:us-east-1:000000000000:function:route:live",
    }
    clients = {"lambda": Functions(), "sqs": Queues(360)}
    assert resource(EventSourceMapping, **clients).create(inputs) == "made"
    with pytest.raises(RefusedError, match="less than the 60 s timeout"):
        resource(EventSourceMapping, **{**clients, "sqs": Queues(30)}).create(inputs)
