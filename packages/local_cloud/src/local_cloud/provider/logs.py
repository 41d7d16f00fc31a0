"""CloudWatch log groups."""

from typing import ClassVar

from local_cloud.provider import rules
from local_cloud.provider.resource import Calls, Resource, Tagging
from local_cloud.provider.schema import Flag, Integer, MapOf, Name, Properties, Text

__all__ = ["LogGroup"]

# The days CloudWatch takes; 0 stands for no policy, which keeps events for ever.
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
_MONTHS = (30, 60, 90, 120, 150, 180, 365, 400, 545)
_YEARS = (731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
_RETENTIONS = (0, 1, 3, 5, 7, 14, *_MONTHS, *_YEARS)


def _retention(days: int) -> str | None:
    what = ", ".join(map(str, _RETENTIONS))
    return None if days in _RETENTIONS else f"{days} is not one of AWS's log retentions in days: {what}"


# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
_ALLOWED = "letters, digits and . - _ / # are allowed, and no aws/ at the beginning"
_POLICY = ("put_retention_policy", "delete_retention_policy")
_CLASSES = ("STANDARD", "INFREQUENT_ACCESS", "DELIVERY")


class LogGroup(Resource, module="cloudwatch", service="logs"):
    """A log group."""

    properties: ClassVar = {
        "name": Name(r"(?!aws/)[.\-_/#A-Za-z0-9]+", 1, 512, _ALLOWED, api="logGroupName"),
        "retentionInDays": Integer(default=0, rules=(_retention,), api="retentionInDays", apart=True, by=_POLICY),
        "logGroupClass": Text(_CLASSES, default="STANDARD", replaces=True, api="logGroupClass"),
        "kmsKeyId": Text(api="kmsKeyId", by=("associate_kms_key", "disassociate_kms_key")),
        "skipDestroy": Flag(default=False, readable=False),
        "tags": MapOf(Text(), rules=(rules.tags,), api="tags"),
    }
    outputs: ClassVar = {"arn": "arn"}
    calls = Calls("logGroupName", create="create_log_group", remove="delete_log_group")
    tagging = Tagging(owner="resourceArn", by_arn=True, tags="tags", keys="tagKeys")

    def live(self, identifier: str) -> Properties | None:
        groups = self.pages("describe_log_groups", logGroupNamePrefix=identifier)["logGroups"]
        group = next((group for group in groups if group["logGroupName"] == identifier), None)
        return group and self.told({**group, "arn": group["arn"].removesuffix(":*")})

    def remove(self, identifier: str) -> None:
        if not self.known.get("skipDestroy"):
            super().remove(identifier)
