"""The delivery of an account, deployed by the engine into a local cloud.

What the emulator cannot prove: that AWS takes each policy, that GitHub's tokens are taken by the roles that trust them,
and that the rights are enough for the official provider. Which calls they allow is evaluated in tests/infra.
"""

import json

import pytest

from local_cloud import LocalCloud
from pipeline_common.contracts import DeliveryOutputs
from pipeline_ops.deployment import Deployment
from tests.infra.recording import ROOT

pytestmark = [pytest.mark.engine, pytest.mark.own_cloud]


def test_the_delivery_is_deployed_with_its_roles_bounds_and_trust_and_leaves_nothing(empty_cloud: LocalCloud) -> None:
    iam = empty_cloud.client("iam")
    before = {role["RoleName"] for role in iam.list_roles()["Roles"]}
    with Deployment(ROOT, empty_cloud) as deployment:
        outputs = DeliveryOutputs.parse(deployment.up("delivery", "shared").outputs)
        assert deployment.up("delivery", "shared").unchanged
        assert deployment.refresh("delivery", "shared").unchanged

        assert all(":role/delivery/" in arn for arn in outputs.role_arns.split(","))
        trust = iam.get_role(RoleName="deploy-prod")["Role"]["AssumeRolePolicyDocument"]
        assert trust["Statement"][0]["Principal"] == {"Federated": outputs.provider_arn}
        attached = iam.list_attached_role_policies(RoleName="release-prod")["AttachedPolicies"]
        assert len(attached) == 4
        bounds = [one["PolicyName"] for one in iam.list_policies(Scope="Local", PathPrefix="/delivery/")["Policies"]]
        assert {"workload-dev", "workload-staging", "workload-prod"} <= set(bounds)
        assert "storage/dev" not in json.dumps([str(stack) for stack in deployment.deployed()])

        deployment.destroy("delivery", "shared")
    assert {role["RoleName"] for role in iam.list_roles()["Roles"]} == before
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []
    assert iam.list_policies(Scope="Local")["Policies"] == []
