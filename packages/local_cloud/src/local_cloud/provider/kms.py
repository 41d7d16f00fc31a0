"""KMS keys."""

from collections.abc import Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.resource import Calls, Resource, ResourceUpdate, Tagging
from local_cloud.provider.schema import Document, Flag, Integer, Pairs, Properties, Text

__all__ = ["Key"]

# 32 KB: https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html
_POLICY_SIZE = rules.utf8_bytes_at_most(32 * 1024, "the key policy")
_ROTATION = ("enable_key_rotation", "disable_key_rotation")


class Key(Resource, module="kms"):
    """A symmetric key for encryption, in one region."""

    properties: ClassVar = {
        # 8,192 characters: https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html
        "description": Text(rules=(rules.at_most(8192),), by=("update_key_description",)),
        "policy": Document(computed=True, rules=(_POLICY_SIZE,), by=("put_key_policy",)),
        "enableKeyRotation": Flag(default=False, api="KeyRotationEnabled", apart=True, by=_ROTATION),
        "isEnabled": Flag(default=True, api="Enabled", apart=True, by=("enable_key", "disable_key")),
        # 7 to 30 days: https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html
        "deletionWindowInDays": Integer(7, 30, readable=False),
        "tags": Pairs(Text(), "TagKey", "TagValue", rules=(rules.tags,)),
    }
    outputs: ClassVar = {"arn": "Arn", "keyId": "KeyId"}
    calls = Calls("KeyId")
    tagging = Tagging(owner="KeyId", read="list_resource_tags")

    def create(self, inputs: Mapping[str, Any]) -> str:
        return str(self.api.create_key(**self.request(inputs))["KeyMetadata"]["KeyId"])

    def live(self, identifier: str) -> Properties | None:
        """Read the key; one that is to be deleted is gone, as for the AWS provider."""
        key = self.api.describe_key(KeyId=identifier)["KeyMetadata"]
        if key["KeyState"] == "PendingDeletion":
            return None
        policy = self.api.get_key_policy(KeyId=identifier, PolicyName="default")
        return self.told({**key, **policy, **self.api.get_key_rotation_status(KeyId=identifier), "KeyId": key["KeyId"]})

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        # A key that is off takes no other change: it is turned on first, and off last.
        if change.touches("isEnabled"):
            self.api.enable_key(KeyId=identifier)
        super().update(identifier, change)

    def remove(self, identifier: str) -> None:
        """Schedule the deletion: AWS deletes no key at once."""
        window = self.known.get("deletionWindowInDays")
        self.api.schedule_key_deletion(KeyId=identifier, **({"PendingWindowInDays": window} if window else {}))
