"""KMS keys."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.resource import Calls, Resource, ResourceUpdate, Tagging
from local_cloud.provider.schema import Document, Flag, Integer, Pairs, Properties, Refusal, Text
from local_cloud.provider.wire import UNKNOWN

__all__ = ["Key"]

# 32 KB: https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html
_POLICY_SIZE = rules.utf8_bytes_at_most(32 * 1024, "the key policy")
_ROTATION = ("enable_key_rotation", "disable_key_rotation")
_USES = {"ENCRYPT_DECRYPT": "SYMMETRIC_DEFAULT", "GENERATE_VERIFY_MAC": "HMAC_256"}


class Key(Resource, module="kms"):
    """A symmetric key for encryption, or an HMAC key, in one region."""

    properties: ClassVar = {
        # 8,192 characters: https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html
        "description": Text(rules=(rules.at_most(8192),), by=("update_key_description",)),
        "keyUsage": Text(tuple(_USES), default="ENCRYPT_DECRYPT", replaces=True),
        "customerMasterKeySpec": Text(tuple(_USES.values()), default="SYMMETRIC_DEFAULT", api="KeySpec", replaces=True),
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

    def check(self, inputs: Mapping[str, Any]) -> Iterator[Refusal]:
        """Refuse a key that is not for what it is used for, and the rotation of an HMAC key.

        https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html
        https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html
        """
        usage, spec = inputs["keyUsage"], inputs["customerMasterKeySpec"]
        if UNKNOWN not in (usage, spec) and _USES[usage] != spec:
            yield Refusal("keyUsage", f"{usage} is not what a {spec} key is for")
        if spec == "HMAC_256" and inputs.get("enableKeyRotation") is True:
            yield Refusal("enableKeyRotation", "KMS rotates no HMAC key")

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
