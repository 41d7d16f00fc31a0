"""SNS topics, their policies, and who is subscribed to them."""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.resource import TAGS, Calls, Resource, ResourceUpdate, Setting, Tagging
from local_cloud.provider.schema import Document, Name, Properties, Refusal, Text

__all__ = ["Topic", "TopicPolicy", "TopicSubscription"]


# 30 KB: https://docs.aws.amazon.com/general/latest/gr/sns.html
_POLICY_SIZE = rules.utf8_bytes_at_most(30 * 1024, "the topic policy")


class Topic(Resource, module="sns"):
    """A standard topic."""

    properties: ClassVar = {
        # 1 to 256: https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
        "name": Name(r"[A-Za-z0-9_-]+", 1, 256, "letters, digits, _ and - are allowed"),
        # 100 characters: https://docs.aws.amazon.com/sns/latest/dg/sns-create-topic.html
        "displayName": Text(rules=(rules.at_most(100),)),
        "kmsMasterKeyId": Text(),
        "tracingConfig": Text(("PassThrough", "Active"), computed=True, implied="PassThrough"),
        "tags": TAGS,
    }
    outputs: ClassVar = {"arn": "TopicArn", "owner": "Owner"}
    calls = Calls("TopicArn", read="get_topic_attributes", told="Attributes", remove="delete_topic")
    tagging = Tagging(owner="ResourceArn")

    def create(self, inputs: Mapping[str, Any]) -> str:
        attributes = self.request(inputs)
        name, tags = attributes.pop("Name"), attributes.pop("Tags", [])
        return str(self.api.create_topic(Name=name, Attributes=attributes, Tags=tags)["TopicArn"])

    def live(self, identifier: str) -> Properties:
        return {**(super().live(identifier) or {}), "name": identifier.rsplit(":", 1)[1]}

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        for name, value in self.request(change.news, change.names).items():
            self.api.set_topic_attributes(TopicArn=identifier, AttributeName=name, AttributeValue=value)


class TopicPolicy(Setting, module="sns"):
    """Who may do what with a topic."""

    properties: ClassVar = {
        "arn": Text(required=True, replaces=True, api="TopicArn"),
        "policy": Document(required=True, rules=(_POLICY_SIZE,)),
    }
    outputs: ClassVar = {"owner": "Owner"}
    of = "arn"
    calls = Calls("TopicArn", read="get_topic_attributes", told="Attributes")

    def put(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        self.api.set_topic_attributes(TopicArn=identifier, AttributeName="Policy", AttributeValue=inputs["policy"])

    def remove(self, identifier: str) -> None:
        """Go back to what AWS gives a new topic: a topic always has a policy.

        https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html
        """
        owner = self.api.get_topic_attributes(TopicArn=identifier)["Attributes"]["Owner"]
        self.put(identifier, {"policy": _default_policy(identifier, owner)})


class TopicSubscription(Resource, module="sns"):
    """A subscription to a topic, by e-mail or HTTPS.

    One by HTTPS is recorded and not made: an emulator would call the URL, which is that of somebody's real pager. An
    emulator sends no mail.
    """

    properties: ClassVar = {
        "topic": Text(required=True, replaces=True, api="TopicArn"),
        "protocol": Text(("email", "https"), required=True, replaces=True),
        "endpoint": Text(required=True, replaces=True),
    }
    outputs: ClassVar = {"arn": "SubscriptionArn"}
    calls = Calls("SubscriptionArn", read="get_subscription_attributes", told="Attributes", remove="unsubscribe")

    def check(self, inputs: Mapping[str, Any]) -> Iterator[Refusal]:
        """Refuse an endpoint that is not of the protocol: https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html."""
        protocol, endpoint = inputs["protocol"], inputs["endpoint"]
        form = _ENDPOINTS.get(protocol) if isinstance(protocol, str) else None
        if form is not None and isinstance(endpoint, str) and not form.fullmatch(endpoint):
            yield Refusal("endpoint", f"it is not an endpoint of the protocol {protocol}")

    def create(self, inputs: Mapping[str, Any]) -> str:
        if inputs["protocol"] == _NOT_MADE:
            self.warn("The local stand-in records a subscription by https without making it: nobody real is called.")
            return f"{inputs['topic']}:{uuid.uuid5(uuid.NAMESPACE_URL, inputs['endpoint'])}"
        return str(self.api.subscribe(**self.request(inputs), ReturnSubscriptionArn=True)["SubscriptionArn"])

    def live(self, identifier: str) -> Properties | None:
        """Read the subscription, which is gone with its topic.

        So says https://docs.aws.amazon.com/sns/latest/api/API_DeleteTopic.html.
        """
        # The topic is asked, because not every cloud forgets its subscriptions with it, and one may not be made.
        self.api.get_topic_attributes(TopicArn=self.known["topic"])
        if self.known["protocol"] == _NOT_MADE:
            return {**{name: self.known[name] for name in self.properties}, "arn": identifier}
        return {**(super().live(identifier) or {}), "arn": identifier}

    def remove(self, identifier: str) -> None:
        if self.known["protocol"] != _NOT_MADE:
            super().remove(identifier)


_NOT_MADE = "https"
_ENDPOINTS = {"email": re.compile(r"[^@\s]+@[^@\s]+"), "https": re.compile(r"https://\S+")}


def _default_policy(topic: str, owner: str) -> str:
    actions = ("GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic")
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{action}" for action in (*actions, "Subscribe", "ListSubscriptionsByTopic", "Publish")],
        "Resource": topic,
        "Condition": {"StringEquals": {"AWS:SourceOwner": owner}},
    }
    return json.dumps({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]})
