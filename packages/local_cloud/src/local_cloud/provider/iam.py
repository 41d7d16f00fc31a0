"""IAM roles, their inline policies, managed policies with what they are attached to, and who may exchange tokens."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.resource import TAGS, Calls, RefusedError, Resource, ResourceUpdate, Setting, Tagging
from local_cloud.provider.schema import Document, Flag, Integer, ListOf, Name, Properties, Text

__all__ = ["OpenIdConnectProvider", "Policy", "Role", "RolePolicy", "RolePolicyAttachment"]


# Names, sizes and counts: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_CHARACTERS, _ALLOWED = r"[\w+=,.@-]+", "letters, digits and _ + = , . @ - are allowed"
_ROLE_NAME = rules.matches(_CHARACTERS, 1, 64, _ALLOWED)
_TRUST_POLICY_SIZE = rules.policy_size(2048, "the role's trust policy")
_INLINE_POLICIES_SIZE = 10240
_INLINE_POLICY_SIZE = rules.policy_size(_INLINE_POLICIES_SIZE, "the inline policy")
_MANAGED_POLICY_SIZE = rules.policy_size(6144, "the managed policy")
_MOST_ATTACHED = 10
_MOST_VERSIONS = 5

# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html (also the duration)
_PATH = Text(default="/", replaces=True, rules=(rules.matches(r"/|/[!-~]+/", 1, 512, "it begins and ends with /"),))
_DESCRIPTION = rules.matches(r"[\t\n\r -~\u00a1-\u00ff]*", 0, 1000, "only characters of Latin-1 are allowed")

_ISSUER = rules.matches(r"https://[^?#\s]+", 1, 255, "it begins with https:// and has no query")
_ROLE = Text(required=True, replaces=True, rules=(_ROLE_NAME,), api="RoleName")

_BOUNDARY = ("put_role_permissions_boundary", "delete_role_permissions_boundary")


class _Boundary(Text):
    """A policy's ARN, which is told in a block."""

    def told(self, value: Mapping[str, str], given: Any) -> str:
        return value["PermissionsBoundaryArn"]


class Role(Resource, module="iam"):
    """A role; its policies are resources of their own."""

    properties: ClassVar = {
        "name": Name(_CHARACTERS, 1, 64, _ALLOWED, api="RoleName"),
        "path": _PATH,
        "assumeRolePolicy": Document(required=True, rules=(_TRUST_POLICY_SIZE,), api="AssumeRolePolicyDocument"),
        "description": Text(rules=(_DESCRIPTION,)),
        "maxSessionDuration": Integer(3600, 43200, default=3600),
        "permissionsBoundary": _Boundary(by=_BOUNDARY),
        "forceDetachPolicies": Flag(default=False, readable=False),
        "tags": TAGS,
    }
    outputs: ClassVar = {"arn": "Arn", "createDate": "CreateDate", "uniqueId": "RoleId"}
    calls = Calls("RoleName", create="create_role", read="get_role", told="Role", remove="delete_role")
    tagging = Tagging(owner="RoleName", read="list_role_tags", put="tag_role", remove="untag_role")

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        if change.touches("assumeRolePolicy"):
            self.api.update_assume_role_policy(RoleName=identifier, PolicyDocument=change.news["assumeRolePolicy"])
        if change.touches("description", "maxSessionDuration"):
            taken = frozenset({"description", "maxSessionDuration"})
            self.api.update_role(RoleName=identifier, **self.request(change.news, taken))
        if change.touches("permissionsBoundary"):
            self.put_alone(identifier, "permissionsBoundary", change.news.get("permissionsBoundary"))

    def remove(self, identifier: str) -> None:
        """Delete the role; with `forceDetachPolicies` also what others gave it, which AWS refuses otherwise."""
        if self.known.get("forceDetachPolicies"):
            for name in self.api.list_role_policies(RoleName=identifier)["PolicyNames"]:
                self.api.delete_role_policy(RoleName=identifier, PolicyName=name)
            for policy in self.api.list_attached_role_policies(RoleName=identifier)["AttachedPolicies"]:
                self.api.detach_role_policy(RoleName=identifier, PolicyArn=policy["PolicyArn"])
        super().remove(identifier)


class RolePolicy(Setting, module="iam"):
    """A policy inside a role; its id is the role's name, a colon and the policy's."""

    properties: ClassVar = {
        "role": _ROLE,
        "name": Name(_CHARACTERS, 1, 128, _ALLOWED, api="PolicyName"),
        "policy": Document(required=True, rules=(_INLINE_POLICY_SIZE,), api="PolicyDocument"),
    }
    of = "name"
    calls = Calls(create="put_role_policy", read="get_role_policy", remove="delete_role_policy")
    keys = ("role", "name")

    def create(self, inputs: Mapping[str, Any]) -> str:
        return f"{inputs['role']}:{super().create(inputs)}"

    def put(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        # The limit is on all inline policies of a role together.
        role, size = inputs["role"], rules.json_size(json.loads(inputs["policy"]))
        for other in self.api.list_role_policies(RoleName=role)["PolicyNames"]:
            if other != inputs["name"]:
                size += rules.json_size(self.api.get_role_policy(RoleName=role, PolicyName=other)["PolicyDocument"])
        if size > _INLINE_POLICIES_SIZE:
            raise RefusedError(
                f"the inline policies of the role {role} have {size} characters together: "
                f"AWS takes at most {_INLINE_POLICIES_SIZE}"
            )
        super().put(identifier, inputs)


class Policy(Resource, module="iam"):
    """A managed policy, of which the newest version is in force; its id is its ARN."""

    # https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html
    properties: ClassVar = {
        "name": Name(_CHARACTERS, 1, 128, _ALLOWED, api="PolicyName"),
        "path": _PATH,
        "description": Text(replaces=True, rules=(rules.at_most(1000),)),
        "policy": Document(required=True, rules=(_MANAGED_POLICY_SIZE,), api="PolicyDocument"),
        "tags": TAGS,
    }
    outputs: ClassVar = {"arn": "Arn", "policyId": "PolicyId"}
    calls = Calls("PolicyArn", remove="delete_policy")
    tagging = Tagging(owner="PolicyArn", read="list_policy_tags", put="tag_policy", remove="untag_policy")

    def create(self, inputs: Mapping[str, Any]) -> str:
        return str(self.api.create_policy(**self.request(inputs))["Policy"]["Arn"])

    def live(self, identifier: str) -> Properties:
        policy = self.api.get_policy(PolicyArn=identifier)["Policy"]
        version = self.api.get_policy_version(PolicyArn=identifier, VersionId=policy["DefaultVersionId"])
        return self.told({**policy, "PolicyDocument": version["PolicyVersion"]["Document"]})

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        """Publish a version, after the oldest has made room where there are as many as AWS keeps."""
        former = self._former_versions(identifier)
        if len(former) + 1 >= _MOST_VERSIONS:
            self.api.delete_policy_version(PolicyArn=identifier, VersionId=former[0])
        self.api.create_policy_version(PolicyArn=identifier, PolicyDocument=change.news["policy"], SetAsDefault=True)

    def remove(self, identifier: str) -> None:
        """Delete the former versions, which AWS wants gone first, and the policy."""
        for version in self._former_versions(identifier):
            self.api.delete_policy_version(PolicyArn=identifier, VersionId=version)
        super().remove(identifier)

    def _former_versions(self, identifier: str) -> list[str]:
        """Return the versions that are not in force, the oldest first."""
        versions = self.api.list_policy_versions(PolicyArn=identifier)["Versions"]
        former = [each["VersionId"] for each in versions if not each["IsDefaultVersion"]]
        return sorted(former, key=lambda version: int(version.removeprefix("v")))


class RolePolicyAttachment(Resource, module="iam"):
    """A managed policy that a role has; its id is the role's name, a slash and the policy's ARN."""

    properties: ClassVar = {"role": _ROLE, "policyArn": Text(required=True, replaces=True)}
    calls = Calls(create="attach_role_policy", remove="detach_role_policy")
    keys = ("role", "policyArn")

    def create(self, inputs: Mapping[str, Any]) -> str:
        role, policy = inputs["role"], inputs["policyArn"]
        attached = self._attached(role)
        if policy not in attached and len(attached) >= _MOST_ATTACHED:
            raise RefusedError(f"the role {role} has {len(attached)} managed policies: AWS takes {_MOST_ATTACHED}")
        self.api.attach_role_policy(RoleName=role, PolicyArn=policy)
        return f"{role}/{policy}"

    def live(self, identifier: str) -> Properties | None:
        role, policy = identifier.split("/", 1)
        return {"role": role, "policyArn": policy} if policy in self._attached(role) else None

    def _attached(self, role: str) -> list[str]:
        answer = self.api.list_attached_role_policies(RoleName=role)
        return [policy["PolicyArn"] for policy in answer["AttachedPolicies"]]


class OpenIdConnectProvider(Resource, module="iam"):
    """An issuer of tokens, one per URL and account; AWS finds its certificate by itself. Its id is its ARN."""

    # https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html
    properties: ClassVar = {
        "url": Text(required=True, replaces=True, rules=(_ISSUER,)),
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
        "clientIdLists": ListOf(Text(), most=100, required=True, api="ClientIDList"),
        "tags": TAGS,
    }
    outputs: ClassVar = {"arn": "", "thumbprintLists": "ThumbprintList"}
    calls = Calls(
        "OpenIDConnectProviderArn",
        create="create_open_id_connect_provider",
        made="OpenIDConnectProviderArn",
        read="get_open_id_connect_provider",
        remove="delete_open_id_connect_provider",
    )

    def live(self, identifier: str) -> Properties:
        told = super().live(identifier) or {}
        return {**told, "url": f"https://{told['url'].removeprefix('https://')}", "arn": identifier}

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        """Make it anew under the same ARN: emulators have no calls that change one."""
        self.remove(identifier)
        self.create(change.news)
