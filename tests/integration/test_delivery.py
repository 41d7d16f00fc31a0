"""The delivery of an account, deployed by the engine into a local cloud.

What the emulator cannot prove: that AWS takes each policy, that GitHub's tokens are taken by the roles that trust them,
and that the rights are enough for the official provider. Which calls they allow is evaluated in tests/infra.
"""

import json
from typing import Any

import pytest
from pulumi.automation import EngineEvent

from local_cloud import LocalCloud
from pipeline_common.contracts import DeliveryOutputs
from pipeline_ops.deployment import Deployment
from pipeline_ops.progress import Tracker
from pipeline_ops.projects import StackId
from tests.infra.recording import ROOT

ANYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})

pytestmark = [pytest.mark.engine, pytest.mark.own_cloud]


def _policies(iam: Any) -> list[str]:
    return [one["Arn"] for one in iam.list_policies(Scope="Local", PathPrefix="/delivery/")["Policies"]]


def test_the_delivery_is_deployed_with_its_roles_bounds_and_trust_and_leaves_nothing(empty_cloud: LocalCloud) -> None:
    iam = empty_cloud.client("iam")
    before = {role["RoleName"] for role in iam.list_roles()["Roles"]}
    drifted: list[str] = []

    def told(stack: StackId, operation: str, event: EngineEvent) -> None:
        line = Tracker(stack, operation).take(event, 0.0)
        if operation == "drift" and line is not None:
            drifted.append(line.plain)

    with Deployment(ROOT, empty_cloud, on_event=told) as deployment:
        outputs = DeliveryOutputs.parse(deployment.up("delivery", "shared").outputs)
        assert deployment.up("delivery", "shared").unchanged
        assert deployment.refresh("delivery", "shared").unchanged

        assert all(":role/delivery/" in arn for arn in outputs.role_arns.split(","))
        trust = iam.get_role(RoleName="deploy-prod")["Role"]["AssumeRolePolicyDocument"]
        assert trust["Statement"][0]["Principal"] == {"Federated": outputs.provider_arn}
        attached = iam.list_attached_role_policies(RoleName="release-prod")["AttachedPolicies"]
        assert len(attached) == 4
        bounds = {arn.rpartition("/")[2] for arn in _policies(iam)}
        assert {"workload-dev", "workload-dev-instances", "workload-prod", "workload-prod-replication"} <= bounds

        assert (deployment.drift("delivery", "shared").unchanged, drifted) == (True, [])
        bound = next(arn for arn in _policies(iam) if arn.endswith("/workload-dev"))
        iam.create_policy_version(PolicyArn=bound, PolicyDocument=ANYTHING, SetAsDefault=True)
        assert deployment.drift("delivery", "shared").changes.get("update") == 1
        assert drifted == ["delivery/shared ~ was updated by others: iam.Policy workload-dev [policy]"]
        assert deployment.drift("delivery", "shared").changes.get("update") == 1, "and it is not taken for right"

        deployment.destroy("delivery", "shared")
    assert {role["RoleName"] for role in iam.list_roles()["Roles"]} == before
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []
    assert iam.list_policies(Scope="Local")["Policies"] == []
