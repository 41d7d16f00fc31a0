"""KMS keys."""

from collections.abc import Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.resource import TAGS, Resource, ResourceUpdate, Tagging
from local_cloud.provider.schema import Document, Flag, Integer, Properties, Property, Text

__all__ = ["Key"]


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]


class Key(Resource):
    """A symmetric key for encryption, in one region."""

    type_name = "aws:kms/key:Key"
    service = "kms"
    properties: ClassVar = {
        # 8,192 characters: https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html
        "description": Property(kind=Text(), rules=(rules.at_most(8192),)),
        # 32 KB: https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html
        "policy": Property(
            kind=Document(), computed=True, rules=(rules.utf8_bytes_at_most(32 * 1024, "the key policy"),)
        ),
        "isEnabled": Property(kind=Flag(), default=True),
        "enableKeyRotation": Property(kind=Flag(), default=False),
        # 7 to 30 days: https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html
        "deletionWindowInDays": Property(kind=Integer(7, 30), readable=False),
        "tags": TAGS,
    }
    outputs = ("arn", "keyId")
    # The second one is told of a key that is to be deleted.
    gone = ("NotFoundException", "KMSInvalidStateException")
    tagging = Tagging(owner="KeyId", written=_tag_list)

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Create the key; the id is the key's."""
        wanted = {"Description": inputs.get("description"), "Policy": inputs.get("policy")}
        wanted["Tags"] = _tag_list(inputs["tags"]) if inputs.get("tags") else None
        answer = self.api.create_key(**{name: value for name, value in wanted.items() if value})
        return str(answer["KeyMetadata"]["KeyId"])

    def complete(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Turn rotation on and the key off, where wanted."""
        if inputs["enableKeyRotation"]:
            self.api.enable_key_rotation(KeyId=identifier)
        if not inputs["isEnabled"]:
            self.api.disable_key(KeyId=identifier)

    def live(self, identifier: str) -> Properties | None:
        """Read the key; one that is to be deleted is gone, as for the AWS provider."""
        key = self.api.describe_key(KeyId=identifier)["KeyMetadata"]
        if key["KeyState"] == "PendingDeletion":
            return None
        return {
            "description": key.get("Description"),
            "policy": self.api.get_key_policy(KeyId=identifier, PolicyName="default")["Policy"],
            "isEnabled": key["Enabled"],
            "enableKeyRotation": self.api.get_key_rotation_status(KeyId=identifier)["KeyRotationEnabled"],
            "tags": {tag["TagKey"]: tag["TagValue"] for tag in self.api.list_resource_tags(KeyId=identifier)["Tags"]},
            "arn": key["Arn"],
            "keyId": key["KeyId"],
        }

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        """Make each change by its own call; `deletionWindowInDays` is only recorded."""
        if change.touches("isEnabled") and change.news["isEnabled"]:
            self.api.enable_key(KeyId=identifier)
        if change.touches("description"):
            self.api.update_key_description(KeyId=identifier, Description=change.news.get("description", ""))
        if change.touches("policy") and change.news.get("policy"):
            self.api.put_key_policy(KeyId=identifier, PolicyName="default", Policy=change.news["policy"])
        if change.touches("enableKeyRotation"):
            wanted = change.news["enableKeyRotation"]
            (self.api.enable_key_rotation if wanted else self.api.disable_key_rotation)(KeyId=identifier)
        if change.touches("isEnabled") and not change.news["isEnabled"]:
            self.api.disable_key(KeyId=identifier)

    def remove(self, identifier: str) -> None:
        """Schedule the deletion: AWS deletes no key at once."""
        window = self.known.get("deletionWindowInDays")
        self.api.schedule_key_deletion(KeyId=identifier, **({"PendingWindowInDays": window} if window else {}))
