"""EventBridge rules and their targets."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.naming import Naming
from local_cloud.provider.resource import (
    TAGS,
    RefusedError,
    Resource,
    ResourceUpdate,
    Tagging,
    camel,
    pascal,
    tag_list,
    tag_map,
)
from local_cloud.provider.schema import Block, Document, Integer, Properties, Property, Refusal, Text

__all__ = ["EventRule", "EventTarget", "event_pattern"]

_GONE = ("ResourceNotFoundException",)
_DEFAULT_BUS = "default"

# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
_RULE_NAME = rules.matches(r"[.\-_A-Za-z0-9]+", 1, 64, "letters, digits and . - _ are allowed")

# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Target.html
_TARGET_ID = rules.matches(r"[.\-_A-Za-z0-9]+", 1, 64, "letters, digits and . - _ are allowed")

# The size of a pattern and the targets of a rule: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
_PATTERN_SIZE = rules.at_most(2048)
_MOST_TARGETS = 5

# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
_OPERATORS = frozenset(
    {"prefix", "suffix", "anything-but", "numeric", "exists", "cidr", "equals-ignore-case", "wildcard"}
)


def event_pattern(value: str) -> str | None:
    """Say what is wrong with the event pattern: every field has a list of values or of operators."""
    return _pattern_fault(json.loads(value), "")


def _pattern_fault(pattern: Any, path: str) -> str | None:
    match pattern:
        case dict() if pattern:
            return next(
                (fault for name, item in pattern.items() if (fault := _field_fault(name, item, f"{path}.{name}"))), None
            )
        case list() if pattern:
            return next((fault for item in pattern if (fault := _value_fault(item, path))), None)
        case _:
            return f"{path.lstrip('.') or 'the pattern'} must be a list of values or an object of fields, and not empty"


def _field_fault(name: str, item: Any, path: str) -> str | None:
    if name == "$or" and isinstance(item, list):
        return next((fault for choice in item if (fault := _pattern_fault(choice, path))), None)
    return _pattern_fault(item, path)


def _value_fault(item: Any, path: str) -> str | None:
    if isinstance(item, list):
        return f"{path.lstrip('.')} has a list in a list"
    if isinstance(item, dict) and not (len(item) == 1 and set(item) <= _OPERATORS):
        return (
            f"{path.lstrip('.')} has {', '.join(item) or 'nothing'} as operator: one of {', '.join(sorted(_OPERATORS))}"
        )
    return None


class EventRule(Resource):
    """A rule on an event bus."""

    type_name = "aws:cloudwatch/eventRule:EventRule"
    service = "events"
    properties: ClassVar = {
        "name": Property(kind=Text(), replaces=True, naming=Naming(maximum=64), rules=(_RULE_NAME,)),
        "description": Property(kind=Text(), rules=(rules.at_most(512),)),
        "eventBusName": Property(kind=Text(), default=_DEFAULT_BUS, replaces=True),
        "eventPattern": Property(kind=Document(), rules=(_PATTERN_SIZE, event_pattern)),
        "scheduleExpression": Property(
            kind=Text(), rules=(rules.matches(r"(rate|cron)\(.+\)", 1, 256, "it is rate(...) or cron(...)"),)
        ),
        "state": Property(kind=Text(("ENABLED", "DISABLED")), default="ENABLED"),
        "tags": TAGS,
    }
    outputs = ("arn",)
    gone = _GONE
    tagging = Tagging(owner="ResourceARN", by_arn=True)

    def check(self, inputs: Mapping[str, Any]) -> Iterator[Refusal]:
        """Refuse a rule that nothing triggers, and a schedule on a bus that has none."""
        if "eventPattern" not in inputs and "scheduleExpression" not in inputs:
            yield Refusal("eventPattern", "a rule needs an event pattern or a schedule")
        if "scheduleExpression" in inputs and inputs["eventBusName"] != _DEFAULT_BUS:
            yield Refusal("scheduleExpression", "only rules on the default bus can have a schedule")

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Put the rule; the id is its name, after the bus's where that is not the default."""
        self._put(inputs, Tags=tag_list(inputs.get("tags")))
        name, bus = inputs["name"], inputs["eventBusName"]
        return name if bus == _DEFAULT_BUS else f"{bus}/{name}"

    def live(self, identifier: str) -> Properties:
        """Read the rule and its tags."""
        answer = self.api.describe_rule(Name=_name(identifier), EventBusName=self.known["eventBusName"])
        told = ("name", "description", "eventBusName", "eventPattern", "scheduleExpression", "state", "arn")
        rule = camel(answer)
        tags = tag_map(self.api.list_tags_for_resource(ResourceARN=answer["Arn"])["Tags"])
        return {**{name: rule.get(name) for name in told}, "tags": tags}

    def update(self, identifier: str, change: ResourceUpdate) -> None:  # noqa: ARG002
        """Put the rule, all of it, as the API wants it."""
        self._put(change.news)

    def remove(self, identifier: str) -> None:
        """Delete the rule, which AWS does only once its targets are gone."""
        rule = {"EventBusName": self.known["eventBusName"]}
        targets = self.api.list_targets_by_rule(Rule=_name(identifier), **rule)["Targets"]
        if targets:
            named = ", ".join(target["Id"] for target in targets)
            raise RefusedError(f"the rule {identifier} still has the targets {named}: AWS does not delete it")
        self.api.delete_rule(Name=_name(identifier), **rule)

    def _put(self, inputs: Mapping[str, Any], **more: Any) -> None:
        names = ("name", "description", "eventBusName", "eventPattern", "scheduleExpression", "state")
        self.api.put_rule(**pascal({name: inputs.get(name) for name in names}), **{k: v for k, v in more.items() if v})


def _name(identifier: str) -> str:
    return identifier.rsplit("/", 1)[-1]


class EventTarget(Resource):
    """Whom a rule tells."""

    type_name = "aws:cloudwatch/eventTarget:EventTarget"
    service = "events"
    properties: ClassVar = {
        "rule": Property(kind=Text(), required=True, replaces=True, rules=(_RULE_NAME,)),
        "eventBusName": Property(kind=Text(), default=_DEFAULT_BUS, replaces=True),
        "targetId": Property(kind=Text(), replaces=True, naming=Naming(maximum=64), rules=(_TARGET_ID,)),
        "arn": Property(kind=Text(), required=True),
        "roleArn": Property(kind=Text()),
        "input": Property(kind=Text(), rules=(rules.at_most(8192),)),
        "inputPath": Property(kind=Text(), rules=(rules.at_most(256),)),
        "deadLetterConfig": Property(kind=Block({"arn": Property(kind=Text())})),
        # https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_RetryPolicy.html
        "retryPolicy": Property(
            kind=Block(
                {
                    "maximumEventAgeInSeconds": Property(kind=Integer(60, 86400)),
                    "maximumRetryAttempts": Property(kind=Integer(0, 185)),
                }
            )
        ),
    }
    gone = _GONE

    @classmethod
    def deletes_first(cls, olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:  # noqa: ARG003
        """Never: a target that is replaced has another id or another rule."""
        return False

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Put the target; the id is the rule's name, a dash and the target's id, as the AWS provider's."""
        targets = self.api.list_targets_by_rule(Rule=inputs["rule"], EventBusName=inputs["eventBusName"])["Targets"]
        if len(targets) >= _MOST_TARGETS:
            raise RefusedError(f"the rule {inputs['rule']} has {len(targets)} targets: AWS takes {_MOST_TARGETS}")
        self._put(inputs)
        bus = "" if inputs["eventBusName"] == _DEFAULT_BUS else f"{inputs['eventBusName']}-"
        return f"{bus}{inputs['rule']}-{inputs['targetId']}"

    def live(self, identifier: str) -> Properties | None:  # noqa: ARG002 - the id's parts may hold dashes themselves
        """Read the target."""
        rule, bus, target_id = (self.known[name] for name in ("rule", "eventBusName", "targetId"))
        answer = self.api.list_targets_by_rule(Rule=rule, EventBusName=bus)
        targets = {target["Id"]: camel(target) for target in answer["Targets"]}
        target = targets.get(target_id)
        if target is None:
            return None
        told = ("arn", "roleArn", "input", "inputPath", "deadLetterConfig", "retryPolicy")
        return {"rule": rule, "eventBusName": bus, "targetId": target_id, **{name: target.get(name) for name in told}}

    def update(self, identifier: str, change: ResourceUpdate) -> None:  # noqa: ARG002
        """Put the target, all of it, as the API wants it."""
        self._put(change.news)

    def remove(self, identifier: str) -> None:
        """Remove the target."""
        answer = self.api.remove_targets(
            Rule=self.known["rule"], EventBusName=self.known["eventBusName"], Ids=[self.known["targetId"]]
        )
        _raise_failed(identifier, answer)

    def _put(self, inputs: Mapping[str, Any]) -> None:
        names = ("arn", "roleArn", "input", "inputPath", "deadLetterConfig", "retryPolicy")
        target = {"Id": inputs["targetId"], **pascal({name: inputs.get(name) for name in names})}
        answer = self.api.put_targets(Rule=inputs["rule"], EventBusName=inputs["eventBusName"], Targets=[target])
        _raise_failed(inputs["targetId"], answer)


def _raise_failed(target: str, answer: Mapping[str, Any]) -> None:
    for entry in answer.get("FailedEntries", ()):
        raise RefusedError(f"the target {target} failed: {entry.get('ErrorCode')}: {entry.get('ErrorMessage')}")
