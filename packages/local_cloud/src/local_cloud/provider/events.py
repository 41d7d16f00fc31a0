"""EventBridge rules and their targets."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.resource import TAGS, Calls, RefusedError, Setting, Tagging
from local_cloud.provider.schema import Block, Document, Integer, Name, Properties, Refusal, Text

__all__ = ["EventRule", "EventTarget"]

_DEFAULT_BUS = "default"

# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html and
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Target.html
_SCHEDULE = rules.matches(r"(rate|cron)\(.+\)", 1, 256, "it is rate(...) or cron(...)")
_NAME = (r"[.\-_A-Za-z0-9]+", 1, 64, "letters, digits and . - _ are allowed")

# The size of a pattern and the targets of a rule: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
_PATTERN_SIZE = rules.at_most(2048)
_MOST_TARGETS = 5

# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
_OPERATORS = frozenset(
    {"prefix", "suffix", "anything-but", "numeric", "exists", "cidr", "equals-ignore-case", "wildcard"}
)


def _event_pattern(value: str) -> str | None:
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


class EventRule(Setting, module="cloudwatch", service="events"):
    """A rule on an event bus; its id is its name, after the bus's where that is not the default."""

    properties: ClassVar = {
        "name": Name(*_NAME),
        "description": Text(rules=(rules.at_most(512),)),
        "eventBusName": Text(default=_DEFAULT_BUS, replaces=True),
        "eventPattern": Document(rules=(_PATTERN_SIZE, _event_pattern)),
        "scheduleExpression": Text(rules=(_SCHEDULE,)),
        "state": Text(("ENABLED", "DISABLED"), default="ENABLED"),
        "tags": TAGS,
    }
    outputs: ClassVar = {"arn": "Arn"}
    of = "name"
    calls = Calls(create="put_rule", read="describe_rule", remove="delete_rule")
    keys = ("name", "eventBusName")
    tagging = Tagging(owner="ResourceARN", by_arn=True)

    def check(self, inputs: Mapping[str, Any]) -> Iterator[Refusal]:
        """Refuse a rule that nothing triggers, and a schedule on a bus that has none."""
        if "eventPattern" not in inputs and "scheduleExpression" not in inputs:
            yield Refusal("eventPattern", "a rule needs an event pattern or a schedule")
        if "scheduleExpression" in inputs and inputs["eventBusName"] != _DEFAULT_BUS:
            yield Refusal("scheduleExpression", "only rules on the default bus can have a schedule")

    def create(self, inputs: Mapping[str, Any]) -> str:
        bus = "" if inputs["eventBusName"] == _DEFAULT_BUS else f"{inputs['eventBusName']}/"
        return f"{bus}{super().create(inputs)}"

    def remove(self, identifier: str) -> None:
        """Delete the rule, which AWS does only once its targets are gone."""
        targets = _targets(self.api, self.known["name"], self.known["eventBusName"])
        if targets:
            named = ", ".join(target["Id"] for target in targets)
            raise RefusedError(f"the rule {identifier} still has the targets {named}: AWS does not delete it")
        super().remove(identifier)


class EventTarget(Setting, module="cloudwatch", service="events"):
    """Whom a rule tells; its id is the rule's name, a dash and the target's id, as the AWS provider's."""

    properties: ClassVar = {
        "rule": Text(required=True, replaces=True, rules=(rules.matches(*_NAME),), apart=True),
        "eventBusName": Text(default=_DEFAULT_BUS, replaces=True, apart=True),
        "targetId": Name(*_NAME, api="Id"),
        "arn": Text(required=True),
        "roleArn": Text(),
        "input": Text(rules=(rules.at_most(8192),)),
        "inputPath": Text(rules=(rules.at_most(256),)),
        "deadLetterConfig": Block({"arn": Text()}),
        # https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_RetryPolicy.html
        "retryPolicy": Block({"maximumEventAgeInSeconds": Integer(60, 86400), "maximumRetryAttempts": Integer(0, 185)}),
    }
    of = "targetId"

    @classmethod
    def deletes_first(cls, olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
        """Never: a target that is replaced has another id or another rule."""
        return False

    def create(self, inputs: Mapping[str, Any]) -> str:
        targets = _targets(self.api, inputs["rule"], inputs["eventBusName"])
        if len(targets) >= _MOST_TARGETS:
            raise RefusedError(f"the rule {inputs['rule']} has {len(targets)} targets: AWS takes {_MOST_TARGETS}")
        bus = "" if inputs["eventBusName"] == _DEFAULT_BUS else f"{inputs['eventBusName']}-"
        return f"{bus}{inputs['rule']}-{super().create(inputs)}"

    def live(self, identifier: str) -> Properties | None:
        # The id's parts may hold dashes themselves.
        rule, bus = self.known["rule"], self.known["eventBusName"]
        target = next((each for each in _targets(self.api, rule, bus) if each["Id"] == self.known["targetId"]), None)
        return target and {**self.told(target), "rule": rule, "eventBusName": bus}

    def put(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        rule, bus = inputs["rule"], inputs["eventBusName"]
        _raise_failed(self.api.put_targets(Rule=rule, EventBusName=bus, Targets=[self.request(inputs)]))

    def remove(self, identifier: str) -> None:
        rule, bus, target = (self.known[name] for name in ("rule", "eventBusName", "targetId"))
        _raise_failed(self.api.remove_targets(Rule=rule, EventBusName=bus, Ids=[target]))


def _targets(api: Any, rule: str, bus: str) -> list[Properties]:
    targets: list[Properties] = api.list_targets_by_rule(Rule=rule, EventBusName=bus)["Targets"]
    return targets


def _raise_failed(answer: Mapping[str, Any]) -> None:
    for each in answer.get("FailedEntries", ()):
        raise RefusedError(f"the target {each['TargetId']} failed: {each.get('ErrorCode')}: {each.get('ErrorMessage')}")
