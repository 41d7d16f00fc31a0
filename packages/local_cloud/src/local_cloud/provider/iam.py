"""IAM roles, their inline policies, and managed policies with what they are attached to."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.naming import Naming
from local_cloud.provider.resource import (
    TAGS,
    RefusedError,
    Resource,
    ResourceUpdate,
    Tagging,
    tag_list,
    tag_map,
)
from local_cloud.provider.schema import Document, Flag, Integer, Properties, Property, Text

__all__ = ["Policy", "Role", "RolePolicy", "RolePolicyAttachment"]

_GONE = ("NoSuchEntity",)

# Names, sizes and counts: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_ROLE_NAME = rules.matches(r"[\w+=,.@-]+", 1, 64, "letters, digits and _ + = , . @ - are allowed")
_POLICY_NAME = rules.matches(r"[\w+=,.@-]+", 1, 128, "letters, digits and _ + = , . @ - are allowed")
_TRUST_POLICY_SIZE = rules.policy_size(2048, "the role's trust policy")
_INLINE_POLICIES_SIZE = 10240
_INLINE_POLICY_SIZE = rules.policy_size(_INLINE_POLICIES_SIZE, "the inline policy")
_MANAGED_POLICY_SIZE = rules.policy_size(6144, "the managed policy")
_MOST_ATTACHED = 10
_MOST_VERSIONS = 5

_PATH = Property(
    kind=Text(),
    default="/",
    replaces=True,
    rules=(rules.matches(r"/|/[!-~]+/", 1, 512, "it begins and ends with /"),),
)
_ROLE = Property(kind=Text(), required=True, replaces=True, rules=(_ROLE_NAME,))


class Role(Resource):
    """A role; its policies are resources of their own."""

    type_name = "aws:iam/role:Role"
    service = "iam"
    regional = False
    properties: ClassVar = {
        "name": Property(kind=Text(), replaces=True, naming=Naming(maximum=64), rules=(_ROLE_NAME,)),
        # https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html (also the description, the duration)
        "path": _PATH,
        "assumeRolePolicy": Property(kind=Document(), required=True, rules=(_TRUST_POLICY_SIZE,)),
        "description": Property(
            kind=Text(),
            rules=(rules.matches(r"[\t\n\r -~\u00a1-\u00ff]*", 0, 1000, "only characters of Latin-1 are allowed"),),
        ),
        "maxSessionDuration": Property(kind=Integer(3600, 43200), default=3600),
        "permissionsBoundary": Property(kind=Text()),
        "forceDetachPolicies": Property(kind=Flag(), default=False, readable=False),
        "tags": TAGS,
    }
    outputs = ("arn", "createDate", "uniqueId")
    gone = _GONE
    tagging = Tagging(owner="RoleName", put="tag_role", remove="untag_role")

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Create the role; the id is its name."""
        wanted = {
            "RoleName": inputs["name"],
            "Path": inputs["path"],
            "AssumeRolePolicyDocument": inputs["assumeRolePolicy"],
            "Description": inputs.get("description"),
            "MaxSessionDuration": inputs["maxSessionDuration"],
            "PermissionsBoundary": inputs.get("permissionsBoundary"),
            "Tags": tag_list(inputs.get("tags")),
        }
        answer = self.api.create_role(**{name: value for name, value in wanted.items() if value})
        return str(answer["Role"]["RoleName"])

    def live(self, identifier: str) -> Properties:
        """Read the role and its tags."""
        role = self.api.get_role(RoleName=identifier)["Role"]
        return {
            "name": role["RoleName"],
            "path": role["Path"],
            "assumeRolePolicy": json.dumps(role["AssumeRolePolicyDocument"]),
            "description": role.get("Description"),
            "maxSessionDuration": role["MaxSessionDuration"],
            "permissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "tags": tag_map(self.api.list_role_tags(RoleName=identifier)["Tags"]),
            "arn": role["Arn"],
            "createDate": role["CreateDate"].isoformat(),
            "uniqueId": role["RoleId"],
        }

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        """Make each change by its own call."""
        if change.touches("assumeRolePolicy"):
            self.api.update_assume_role_policy(RoleName=identifier, PolicyDocument=change.news["assumeRolePolicy"])
        if change.touches("description", "maxSessionDuration"):
            self.api.update_role(
                RoleName=identifier,
                Description=change.news.get("description", ""),
                MaxSessionDuration=change.news["maxSessionDuration"],
            )
        if change.touches("permissionsBoundary"):
            self._update_boundary(identifier, change.news.get("permissionsBoundary"))

    def remove(self, identifier: str) -> None:
        """Delete the role; with `forceDetachPolicies` also what others gave it, which AWS refuses otherwise."""
        if self.known.get("forceDetachPolicies"):
            for name in self.api.list_role_policies(RoleName=identifier)["PolicyNames"]:
                self.api.delete_role_policy(RoleName=identifier, PolicyName=name)
            for policy in self.api.list_attached_role_policies(RoleName=identifier)["AttachedPolicies"]:
                self.api.detach_role_policy(RoleName=identifier, PolicyArn=policy["PolicyArn"])
        self.api.delete_role(RoleName=identifier)

    def _update_boundary(self, role: str, boundary: str | None) -> None:
        if boundary:
            self.api.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=boundary)
        else:
            self.api.delete_role_permissions_boundary(RoleName=role)


class RolePolicy(Resource):
    """A policy inside a role."""

    type_name = "aws:iam/rolePolicy:RolePolicy"
    service = "iam"
    regional = False
    properties: ClassVar = {
        "role": _ROLE,
        "name": Property(kind=Text(), replaces=True, naming=Naming(maximum=128), rules=(_POLICY_NAME,)),
        "policy": Property(kind=Document(), required=True, rules=(_INLINE_POLICY_SIZE,)),
    }
    gone = _GONE

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Put the policy; the id is the role's name, a colon and the policy's."""
        self._put(inputs["role"], inputs["name"], inputs["policy"])
        return f"{inputs['role']}:{inputs['name']}"

    def live(self, identifier: str) -> Properties:
        """Read the policy."""
        role, name = identifier.rsplit(":", 1)
        answer = self.api.get_role_policy(RoleName=role, PolicyName=name)
        return {"role": role, "name": name, "policy": json.dumps(answer["PolicyDocument"])}

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        """Put the policy."""
        role, name = identifier.rsplit(":", 1)
        self._put(role, name, change.news["policy"])

    def remove(self, identifier: str) -> None:
        """Delete the policy."""
        role, name = identifier.rsplit(":", 1)
        self.api.delete_role_policy(RoleName=role, PolicyName=name)

    def _put(self, role: str, name: str, policy: str) -> None:
        # The limit is on all inline policies of a role together.
        size = _size(json.loads(policy))
        for other in self.api.list_role_policies(RoleName=role)["PolicyNames"]:
            if other != name:
                size += _size(self.api.get_role_policy(RoleName=role, PolicyName=other)["PolicyDocument"])
        if size > _INLINE_POLICIES_SIZE:
            raise RefusedError(
                f"the inline policies of the role {role} have {size} characters together: "
                f"AWS takes at most {_INLINE_POLICIES_SIZE}"
            )
        self.api.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=policy)


class Policy(Resource):
    """A managed policy, of which the newest version is in force."""

    type_name = "aws:iam/policy:Policy"
    service = "iam"
    regional = False
    # https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html
    properties: ClassVar = {
        "name": Property(kind=Text(), replaces=True, naming=Naming(maximum=128), rules=(_POLICY_NAME,)),
        "path": _PATH,
        "description": Property(kind=Text(), replaces=True, rules=(rules.at_most(1000),)),
        "policy": Property(kind=Document(), required=True, rules=(_MANAGED_POLICY_SIZE,)),
        "tags": TAGS,
    }
    outputs = ("arn", "policyId")
    gone = _GONE
    tagging = Tagging(owner="PolicyArn", put="tag_policy", remove="untag_policy")

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Create the policy; the id is its ARN."""
        wanted = {
            "PolicyName": inputs["name"],
            "Path": inputs["path"],
            "Description": inputs.get("description"),
            "PolicyDocument": inputs["policy"],
            "Tags": tag_list(inputs.get("tags")),
        }
        answer = self.api.create_policy(**{name: value for name, value in wanted.items() if value})
        return str(answer["Policy"]["Arn"])

    def live(self, identifier: str) -> Properties:
        """Read the policy, its version in force and its tags."""
        policy = self.api.get_policy(PolicyArn=identifier)["Policy"]
        version = self.api.get_policy_version(PolicyArn=identifier, VersionId=policy["DefaultVersionId"])
        return {
            "name": policy["PolicyName"],
            "path": policy["Path"],
            "description": policy.get("Description") or None,
            "policy": json.dumps(version["PolicyVersion"]["Document"]),
            "tags": tag_map(self.api.list_policy_tags(PolicyArn=identifier)["Tags"]),
            "arn": identifier,
            "policyId": policy["PolicyId"],
        }

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
        self.api.delete_policy(PolicyArn=identifier)

    def _former_versions(self, identifier: str) -> list[str]:
        """Return the versions that are not in force, the oldest first."""
        versions = self.api.list_policy_versions(PolicyArn=identifier)["Versions"]
        former = [each["VersionId"] for each in versions if not each["IsDefaultVersion"]]
        return sorted(former, key=lambda version: int(version.removeprefix("v")))


class RolePolicyAttachment(Resource):
    """A managed policy that a role has."""

    type_name = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    service = "iam"
    regional = False
    properties: ClassVar = {
        "role": _ROLE,
        "policyArn": Property(kind=Text(), required=True, replaces=True),
    }
    gone = _GONE

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Attach the policy; the id is the role's name, a slash and the policy's ARN."""
        role, policy = inputs["role"], inputs["policyArn"]
        attached = self._attached(role)
        if policy not in attached and len(attached) >= _MOST_ATTACHED:
            raise RefusedError(f"the role {role} has {len(attached)} managed policies: AWS takes {_MOST_ATTACHED}")
        self.api.attach_role_policy(RoleName=role, PolicyArn=policy)
        return f"{role}/{policy}"

    def live(self, identifier: str) -> Properties | None:
        """Tell whether the policy is attached."""
        role, policy = identifier.split("/", 1)
        return {"role": role, "policyArn": policy} if policy in self._attached(role) else None

    def remove(self, identifier: str) -> None:
        """Detach the policy."""
        role, policy = identifier.split("/", 1)
        self.api.detach_role_policy(RoleName=role, PolicyArn=policy)

    def _attached(self, role: str) -> list[str]:
        answer = self.api.list_attached_role_policies(RoleName=role)
        return [policy["PolicyArn"] for policy in answer["AttachedPolicies"]]


def _size(document: Mapping[str, Any]) -> int:
    return len(json.dumps(document, separators=(",", ":"), ensure_ascii=False))
