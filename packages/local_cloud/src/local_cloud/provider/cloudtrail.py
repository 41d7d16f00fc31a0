"""CloudTrail trails."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.resource import Calls, RefusedError, Resource, ResourceUpdate, found
from local_cloud.provider.schema import Block, Flag, ListOf, Name, Pairs, Properties, Refusal, Text

__all__ = ["Trail"]

_SERVICE = "cloudtrail.amazonaws.com"

# https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_CreateTrail.html
_ALLOWED = "letters and digits, with single periods, underscores or dashes between them, are allowed"

# https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedFieldSelector.html
_CONDITION = Block(
    {
        "field": Text(required=True),
        "equals": ListOf(Text()),
        "startsWiths": ListOf(Text(), api="StartsWith"),
        "endsWiths": ListOf(Text(), api="EndsWith"),
        "notEquals": ListOf(Text()),
        "notStartsWiths": ListOf(Text(), api="NotStartsWith"),
        "notEndsWiths": ListOf(Text(), api="NotEndsWith"),
    }
)
_SELECTOR = Block({"name": Text(rules=(rules.at_most(1000),)), "fieldSelectors": ListOf(_CONDITION, required=True)})


class Trail(Resource, module="cloudtrail"):
    """A trail, whose events are selected by advanced selectors or are the management events; its id is its ARN."""

    properties: ClassVar = {
        "name": Name(r"[A-Za-z0-9]+([._-][A-Za-z0-9]+)*", 3, 128, _ALLOWED),
        "s3BucketName": Text(required=True),
        "s3KeyPrefix": Text(rules=(rules.at_most(200),)),
        "includeGlobalServiceEvents": Flag(default=True),
        "isMultiRegionTrail": Flag(default=False),
        "enableLogFileValidation": Flag(default=False),
        "enableLogging": Flag(default=True, apart=True, api="IsLogging", by=("start_logging", "stop_logging")),
        "advancedEventSelectors": ListOf(_SELECTOR, apart=True),
        "tags": Pairs(Text(), "Key", "Value", rules=(rules.tags,), apart=True, api="TagsList"),
    }
    outputs: ClassVar = {"arn": "TrailARN", "homeRegion": "HomeRegion"}
    calls = Calls("Name", create="create_trail", made="TrailARN", remove="delete_trail")

    def check(self, inputs: Mapping[str, Any]) -> Iterator[Refusal]:
        """Refuse a selector that does not say which category of events it is about."""
        selectors = inputs.get("advancedEventSelectors")
        for place, selector in enumerate(selectors if isinstance(selectors, list) else ()):
            fields = {each.get("field") for each in selector.get("fieldSelectors", ())}
            if "eventCategory" not in fields:
                yield Refusal(f"advancedEventSelectors[{place}]", "a selector needs the field eventCategory")

    def create(self, inputs: Mapping[str, Any]) -> str:
        self._check_bucket(inputs["s3BucketName"])
        return super().create(inputs)

    def complete(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Tag it, select its events and let it log, which a new trail doesn't by itself."""
        self._tag(identifier, inputs)
        if inputs.get("advancedEventSelectors"):
            self._select(identifier, inputs)
        if inputs["enableLogging"]:
            self.api.start_logging(Name=identifier)

    def live(self, identifier: str) -> Properties:
        trail = self.api.get_trail(Name=identifier)["Trail"]
        validation = {"EnableLogFileValidation": trail.get("LogFileValidationEnabled")}
        status, events = self.api.get_trail_status(Name=identifier), self.api.get_event_selectors(TrailName=identifier)
        tags = self.api.list_tags(ResourceIdList=[identifier])["ResourceTagList"]
        return self.told({**(tags[0] if tags else {}), **status, **events, **validation, **trail})

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        settings = self.request(change.news, change.names)
        if settings:
            self._check_bucket(change.news["s3BucketName"])
            self.api.update_trail(**{**settings, "Name": identifier})
        if change.touches("advancedEventSelectors"):
            self._select(identifier, change.news)
        if change.touches("enableLogging"):
            self.put_alone(identifier, "enableLogging", change.news["enableLogging"])
        if change.touches("tags"):
            unwanted = [{"Key": key} for key in change.olds.get("tags") or () if key not in change.news.get("tags", ())]
            if unwanted:
                self.api.remove_tags(ResourceId=identifier, TagsList=unwanted)
            self._tag(identifier, change.news)

    def _tag(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        if inputs.get("tags"):
            self.api.add_tags(ResourceId=identifier, TagsList=self.properties["tags"].written(inputs["tags"]))

    def _select(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        selectors = inputs.get("advancedEventSelectors")
        if selectors:
            written = self.properties["advancedEventSelectors"].written(selectors)
            chosen: dict[str, Any] = {"AdvancedEventSelectors": written}
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
