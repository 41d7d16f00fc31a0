"""SNS topics, their policies, and who is subscribed to them."""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.naming import Naming
from local_cloud.provider.resource import TAGS, Resource, ResourceUpdate, Setting, Tagging, tag_list, tag_map
from local_cloud.provider.schema import Document, Properties, Property, Refusal, Text

__all__ = ["Topic", "TopicPolicy", "TopicSubscription"]

_GONE = ("NotFound",)

# 1 to 256: https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
_NAME = rules.matches(r"[A-Za-z0-9_-]+", 1, 256, "letters, digits, _ and - are allowed")

# 30 KB: https://docs.aws.amazon.com/general/latest/gr/sns.html
_POLICY_SIZE = rules.utf8_bytes_at_most(30 * 1024, "the topic policy")


class Topic(Resource):
    """A standard topic."""

    type_name = "aws:sns/topic:Topic"
    service = "sns"
    properties: ClassVar = {
        "name": Property(kind=Text(), replaces=True, naming=Naming(maximum=256), rules=(_NAME,)),
        # 100 characters: https://docs.aws.amazon.com/sns/latest/dg/sns-create-topic.html
        "displayName": Property(kind=Text(), rules=(rules.at_most(100),)),
        "kmsMasterKeyId": Property(kind=Text()),
        "tracingConfig": Property(kind=Text(("PassThrough", "Active")), computed=True),
        "tags": TAGS,
    }
    outputs = ("arn", "owner")
    gone = _GONE
    tagging = Tagging(owner="ResourceArn")

    _ATTRIBUTES: ClassVar = {
        "displayName": "DisplayName",
        "kmsMasterKeyId": "KmsMasterKeyId",
        "tracingConfig": "TracingConfig",
    }

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Create the topic with its attributes and tags; the id is the ARN."""
        attributes = {theirs: inputs[ours] for ours, theirs in self._ATTRIBUTES.items() if inputs.get(ours)}
        answer = self.api.create_topic(Name=inputs["name"], Attributes=attributes, Tags=tag_list(inputs.get("tags")))
        return str(answer["TopicArn"])

    def live(self, identifier: str) -> Properties:
        """Read the attributes and tags."""
        attributes = self.api.get_topic_attributes(TopicArn=identifier)["Attributes"]
        return {
            "name": identifier.rsplit(":", 1)[1],
            **{ours: attributes.get(theirs) or None for ours, theirs in self._ATTRIBUTES.items()},
            "tags": tag_map(self.api.list_tags_for_resource(ResourceArn=identifier)["Tags"]),
            "arn": identifier,
            "owner": attributes["Owner"],
        }

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        """Set the attributes that differ."""
        for ours, theirs in self._ATTRIBUTES.items():
            if change.touches(ours):
                # PassThrough is what a topic has that was never told.
                nothing = "PassThrough" if ours == "tracingConfig" else ""
                self.api.set_topic_attributes(
                    TopicArn=identifier, AttributeName=theirs, AttributeValue=change.news.get(ours) or nothing
                )

    def remove(self, identifier: str) -> None:
        """Delete the topic."""
        self.api.delete_topic(TopicArn=identifier)


class TopicPolicy(Setting):
    """Who may do what with a topic."""

    type_name = "aws:sns/topicPolicy:TopicPolicy"
    service = "sns"
    properties: ClassVar = {
        "arn": Property(kind=Text(), required=True, replaces=True),
        "policy": Property(kind=Document(), required=True, rules=(_POLICY_SIZE,)),
    }
    outputs = ("owner",)
    of = "arn"
    gone = _GONE

    def live(self, identifier: str) -> Properties:
        """Read the policy."""
        attributes = self.api.get_topic_attributes(TopicArn=identifier)["Attributes"]
        return {"arn": identifier, "policy": attributes["Policy"], "owner": attributes["Owner"]}

    def put(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Set the policy."""
        self.api.set_topic_attributes(TopicArn=identifier, AttributeName="Policy", AttributeValue=inputs["policy"])

    def remove(self, identifier: str) -> None:
        """Go back to what AWS gives a new topic: a topic always has a policy.

        https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html
        """
        owner = self.api.get_topic_attributes(TopicArn=identifier)["Attributes"]["Owner"]
        self.put(identifier, {"policy": _default_policy(identifier, owner)})


class TopicSubscription(Resource):
    """A subscription to a topic, by e-mail or HTTPS.

    One by HTTPS is recorded and not made: an emulator would call the URL, which is that of somebody's real pager. An
    emulator sends no mail.
    """

    type_name = "aws:sns/topicSubscription:TopicSubscription"
    service = "sns"
    properties: ClassVar = {
        "topic": Property(kind=Text(), required=True, replaces=True),
        "protocol": Property(kind=Text(("email", "https")), required=True, replaces=True),
        "endpoint": Property(kind=Text(), required=True, replaces=True),
    }
    outputs = ("arn",)
    gone = _GONE

    def check(self, inputs: Mapping[str, Any]) -> Iterator[Refusal]:
        """Refuse an endpoint that is not of the protocol: https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html."""
        protocol, endpoint = inputs["protocol"], inputs["endpoint"]
        form = _ENDPOINTS.get(protocol) if isinstance(protocol, str) else None
        if form is not None and isinstance(endpoint, str) and not form.fullmatch(endpoint):
            yield Refusal("endpoint", f"it is not an endpoint of the protocol {protocol}")

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Subscribe the endpoint; the id is the subscription's ARN."""
        topic, protocol, endpoint = inputs["topic"], inputs["protocol"], inputs["endpoint"]
        if protocol == _NOT_MADE:
            self.warn("The local stand-in records a subscription by https without making it: nobody real is called.")
            return f"{topic}:{uuid.uuid5(uuid.NAMESPACE_URL, endpoint)}"
        answer = self.api.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint, ReturnSubscriptionArn=True)
        return str(answer["SubscriptionArn"])

    def live(self, identifier: str) -> Properties:
        """Read the subscription, which is gone with its topic.

        So says https://docs.aws.amazon.com/sns/latest/api/API_DeleteTopic.html.
        """
        # The topic is asked, because not every cloud forgets its subscriptions with it, and one may not be made.
        self.api.get_topic_attributes(TopicArn=self.known["topic"])
        if self.known["protocol"] == _NOT_MADE:
            return {**{name: self.known[name] for name in ("topic", "protocol", "endpoint")}, "arn": identifier}
        told = self.api.get_subscription_attributes(SubscriptionArn=identifier)["Attributes"]
        described = {"topic": told["TopicArn"], "protocol": told["Protocol"], "endpoint": told["Endpoint"]}
        return {**described, "arn": identifier}

    def remove(self, identifier: str) -> None:
        """End the subscription."""
        if self.known["protocol"] != _NOT_MADE:
            self.api.unsubscribe(SubscriptionArn=identifier)


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
