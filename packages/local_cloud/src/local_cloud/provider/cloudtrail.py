"""CloudTrail trails."""

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
    found,
    pascal,
    tag_list,
    tag_map,
)
from local_cloud.provider.schema import Block, Flag, ListOf, Properties, Property, Refusal, Text

__all__ = ["Trail"]

_SERVICE = "cloudtrail.amazonaws.com"

# https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_CreateTrail.html
_NAME = rules.matches(
    r"[A-Za-z0-9]+([._-][A-Za-z0-9]+)*",
    3,
    128,
    "letters and digits, with single periods, underscores or dashes between them, are allowed",
)

# How the AWS provider calls a condition's operators, and how the API does:
# https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedFieldSelector.html
_OPERATORS = {
    "equals": "Equals",
    "startsWiths": "StartsWith",
    "endsWiths": "EndsWith",
    "notEquals": "NotEquals",
    "notStartsWiths": "NotStartsWith",
    "notEndsWiths": "NotEndsWith",
}

_SELECTORS = ListOf(
    Block(
        {
            "name": Property(kind=Text(), rules=(rules.at_most(1000),)),
            "fieldSelectors": Property(
                kind=ListOf(
                    Block(
                        {
                            "field": Property(kind=Text(), required=True),
                            **{operator: Property(kind=ListOf(Text())) for operator in _OPERATORS},
                        }
                    )
                ),
                required=True,
            ),
        }
    )
)


class Trail(Resource):
    """A trail, whose events are selected by advanced selectors or are the management events."""

    type_name = "aws:cloudtrail/trail:Trail"
    service = "cloudtrail"
    properties: ClassVar = {
        "name": Property(kind=Text(), replaces=True, naming=Naming(maximum=128), rules=(_NAME,)),
        "s3BucketName": Property(kind=Text(), required=True),
        "s3KeyPrefix": Property(kind=Text(), rules=(rules.at_most(200),)),
        "includeGlobalServiceEvents": Property(kind=Flag(), default=True),
        "isMultiRegionTrail": Property(kind=Flag(), default=False),
        "enableLogFileValidation": Property(kind=Flag(), default=False),
        "enableLogging": Property(kind=Flag(), default=True),
        "advancedEventSelectors": Property(kind=_SELECTORS),
        "tags": TAGS,
    }
    outputs = ("arn", "homeRegion")
    gone = ("TrailNotFoundException",)
    tagging = Tagging(
        owner="ResourceId",
        put="add_tags",
        remove="remove_tags",
        tags="TagsList",
        keys="TagsList",
        unwritten=lambda keys: [{"Key": key} for key in keys],
    )

    _SETTINGS: ClassVar = ("s3BucketName", "s3KeyPrefix", "includeGlobalServiceEvents", "isMultiRegionTrail")

    def check(self, inputs: Mapping[str, Any]) -> Iterator[Refusal]:
        """Refuse a selector that does not say which category of events it is about."""
        selectors = inputs.get("advancedEventSelectors")
        for place, selector in enumerate(selectors if isinstance(selectors, list) else ()):
            fields = {each.get("field") for each in selector.get("fieldSelectors", ())}
            if "eventCategory" not in fields:
                yield Refusal(f"advancedEventSelectors[{place}]", "a selector needs the field eventCategory")

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Create the trail; the id is its ARN."""
        self._check_bucket(inputs["s3BucketName"])
        return str(self.api.create_trail(Name=inputs["name"], **self._settings(inputs))["TrailARN"])

    def complete(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Tag it, select its events and let it log, which a new trail doesn't by itself."""
        if inputs.get("tags"):
            self.api.add_tags(ResourceId=identifier, TagsList=tag_list(inputs["tags"]))
        if inputs.get("advancedEventSelectors"):
            self._select(identifier, inputs)
        if inputs["enableLogging"]:
            self.api.start_logging(Name=identifier)

    def live(self, identifier: str) -> Properties:
        """Read the trail, its selectors, its tags, and whether it logs."""
        trail = camel(self.api.get_trail(Name=identifier)["Trail"])
        tags = self.api.list_tags(ResourceIdList=[identifier])["ResourceTagList"]
        return {
            "name": trail["name"],
            **{name: trail.get(name) for name in self._SETTINGS},
            "enableLogFileValidation": trail.get("logFileValidationEnabled"),
            "enableLogging": self.api.get_trail_status(Name=identifier)["IsLogging"],
            "advancedEventSelectors": [
                _selector_read(each)
                for each in self.api.get_event_selectors(TrailName=identifier).get("AdvancedEventSelectors", ())
            ],
            "tags": tag_map(tags[0]["TagsList"] if tags else []),
            "arn": identifier,
            "homeRegion": trail["homeRegion"],
        }

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        """Change what differs."""
        if change.touches(*self._SETTINGS, "enableLogFileValidation"):
            self._check_bucket(change.news["s3BucketName"])
            self.api.update_trail(Name=identifier, **self._settings(change.news))
        if change.touches("advancedEventSelectors"):
            self._select(identifier, change.news)
        if change.touches("enableLogging"):
            act = self.api.start_logging if change.news["enableLogging"] else self.api.stop_logging
            act(Name=identifier)

    def remove(self, identifier: str) -> None:
        """Delete the trail; its bucket and what it logged stay."""
        self.api.delete_trail(Name=identifier)

    def _settings(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        settings: dict[str, Any] = pascal({name: inputs.get(name) for name in self._SETTINGS})
        return {**settings, "EnableLogFileValidation": inputs["enableLogFileValidation"]}

    def _select(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        selectors = inputs.get("advancedEventSelectors")
        if selectors:
            chosen: dict[str, Any] = {"AdvancedEventSelectors": [_selector_written(each) for each in selectors]}
        else:  # what a trail has that was never told
            chosen = {"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True}]}
        self.api.put_event_selectors(TrailName=identifier, **chosen)

    def _check_bucket(self, bucket: str) -> None:
        """Raise RefusedError unless the bucket's policy lets CloudTrail in, as AWS asks when a trail is made.

        https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
        """
        s3 = self.session.client("s3", self.region)
        policy = found(s3.get_bucket_policy, "NoSuchBucketPolicy", Bucket=bucket)
        statements = json.loads(policy["Policy"])["Statement"] if policy else []
        allowed = {
            action
            for statement in statements
            if statement["Effect"] == "Allow" and _SERVICE in _listed(statement.get("Principal", {}), "Service")
            for action in _listed(statement, "Action")
        }
        if missing := {"s3:GetBucketAcl", "s3:PutObject"} - allowed:
            actions = ", ".join(sorted(missing))
            raise RefusedError(f"the policy of the bucket {bucket} does not allow {_SERVICE} {actions}")


def _listed(section: Any, name: str) -> list[Any]:
    value = section.get(name, []) if isinstance(section, Mapping) else []
    return value if isinstance(value, list) else [value]


def _selector_written(selector: Mapping[str, Any]) -> dict[str, Any]:
    fields = [
        {"Field": each["field"], **{theirs: each[ours] for ours, theirs in _OPERATORS.items() if each.get(ours)}}
        for each in selector["fieldSelectors"]
    ]
    named = {"Name": selector["name"]} if selector.get("name") else {}
    return {**named, "FieldSelectors": fields}


def _selector_read(selector: Mapping[str, Any]) -> dict[str, Any]:
    fields = [
        {"field": each["Field"], **{ours: each[theirs] for ours, theirs in _OPERATORS.items() if each.get(theirs)}}
        for each in selector["FieldSelectors"]
    ]
    return {"name": selector.get("Name"), "fieldSelectors": fields}
