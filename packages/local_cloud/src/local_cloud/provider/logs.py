"""CloudWatch log groups."""

from collections.abc import Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.naming import Naming
from local_cloud.provider.resource import TAGS, Resource, ResourceUpdate, Tagging
from local_cloud.provider.schema import Flag, Integer, Properties, Property, Text

__all__ = ["LogGroup"]

# The days CloudWatch takes; 0 stands for no policy, which keeps events for ever.
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
_MONTHS = (30, 60, 90, 120, 150, 180, 365, 400, 545)
_YEARS = (731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
_RETENTION = rules.in_steps((0, 1, 3, 5, 7, 14, *_MONTHS, *_YEARS), "log retentions in days")

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
_NAME = rules.matches(
    r"(?!aws/)[.\-_/#A-Za-z0-9]+", 1, 512, "letters, digits and . - _ / # are allowed, and no aws/ at the beginning"
)


class LogGroup(Resource):
    """A log group."""

    type_name = "aws:cloudwatch/logGroup:LogGroup"
    service = "logs"
    properties: ClassVar = {
        "name": Property(kind=Text(), replaces=True, naming=Naming(maximum=512), rules=(_NAME,)),
        "retentionInDays": Property(kind=Integer(), default=0, rules=(_RETENTION,)),
        "logGroupClass": Property(
            kind=Text(("STANDARD", "INFREQUENT_ACCESS", "DELIVERY")), default="STANDARD", replaces=True
        ),
        "kmsKeyId": Property(kind=Text()),
        "skipDestroy": Property(kind=Flag(), default=False, readable=False),
        "tags": TAGS,
    }
    outputs = ("arn",)
    gone = ("ResourceNotFoundException",)
    tagging = Tagging(owner="resourceArn", by_arn=True, tags="tags", keys="tagKeys", written=dict)

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Create the log group; the id is its name."""
        wanted = {"logGroupName": inputs["name"], "logGroupClass": inputs["logGroupClass"]}
        optional = {"kmsKeyId": inputs.get("kmsKeyId"), "tags": inputs.get("tags")}
        self.api.create_log_group(**wanted, **{name: value for name, value in optional.items() if value})
        return str(inputs["name"])

    def complete(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Put the retention."""
        if inputs["retentionInDays"]:
            self._put_retention(identifier, inputs["retentionInDays"])

    def live(self, identifier: str) -> Properties | None:
        """Read the log group and its tags."""
        group = self._find(identifier)
        if group is None:
            return None
        arn = str(group["arn"]).removesuffix(":*")
        return {
            "name": group["logGroupName"],
            "retentionInDays": group.get("retentionInDays", 0),
            "logGroupClass": group.get("logGroupClass", "STANDARD"),
            "kmsKeyId": group.get("kmsKeyId"),
            "tags": self.api.list_tags_for_resource(resourceArn=arn)["tags"],
            "arn": arn,
        }

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        """Make each change by its own call; `skipDestroy` is only recorded."""
        if change.touches("retentionInDays"):
            self._put_retention(identifier, change.news["retentionInDays"])
        if change.touches("kmsKeyId"):
            key = change.news.get("kmsKeyId")
            if key:
                self.api.associate_kms_key(logGroupName=identifier, kmsKeyId=key)
            else:
                self.api.disassociate_kms_key(logGroupName=identifier)

    def remove(self, identifier: str) -> None:
        """Delete the log group, unless `skipDestroy` leaves it."""
        if not self.known.get("skipDestroy"):
            self.api.delete_log_group(logGroupName=identifier)

    def _find(self, name: str) -> Any:
        pages = self.api.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
        groups = (group for page in pages for group in page["logGroups"])
        return next((group for group in groups if group["logGroupName"] == name), None)

    def _put_retention(self, name: str, days: int) -> None:
        if days:
            self.api.put_retention_policy(logGroupName=name, retentionInDays=days)
        else:
            self.api.delete_retention_policy(logGroupName=name)
