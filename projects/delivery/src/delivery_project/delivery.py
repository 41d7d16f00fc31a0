"""An account's delivery as one component."""

import json
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from delivery_project.config import DeliveryConfig
from delivery_project.purposes import Purpose, purposes
from delivery_project.stack_names import DELIVERY_PATH, Account
from delivery_project.trust import AUDIENCE, ISSUER, trusting
from delivery_project.workload import Workload, workloads
from pipeline_common.contracts import DeliveryOutputs
from pipeline_common.environments import Environment
from pipeline_common.infra.exports import eventually
from pipeline_common.infra.policies import document

__all__ = ["Delivery"]


class Delivery(pulumi.ComponentResource):
    """Who may deploy an account's environments from GitHub's workflows (`pipeline:delivery:Delivery`).

    Guarantees: a role per environment and purpose, which only this repository's runs on the purpose's environment and
    refs can take, for an hour, without a key that is stored anywhere; no role has a right to change another
    environment, this stack, or an object or an item that is no instance's; and bounds for the roles that stacks make,
    without which they can make none.

    Leaves out: the bucket of the state, GitHub's environments with who approves, and people's own access.
    """

    TOKEN: ClassVar[str] = "pipeline:delivery:Delivery"  # noqa: S105 - a resource type's token

    def __init__(
        self,
        name: str,
        config: DeliveryConfig,
        *,
        account: Environment,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(self.TOKEN, name, opts=opts)
        self._stack = account
        self._repository = config.repository
        self._child = pulumi.ResourceOptions(parent=self)
        where = self._looked_up_account()
        self.provider = aws.iam.OpenIdConnectProvider(
            "github", url=f"https://{ISSUER}", client_id_lists=[AUDIENCE], opts=self._child
        )
        for environment in config.environments:
            for workload in workloads(where, environment):
                self._boundary(workload)
        self.roles = [self._role(purpose) for purpose in purposes(config, where)]
        self.register_outputs(self.outputs().exports())

    def outputs(self) -> DeliveryOutputs:
        """Return the contract, whose scalars are outputs until it is exported."""
        arns = pulumi.Output.all(*(role.arn for role in self.roles)).apply(",".join)
        return DeliveryOutputs(
            environment=self._stack.name,
            suffix=self._stack.suffix,
            provider_arn=eventually(self.provider.arn),
            role_arns=eventually(arns),
        )

    def _looked_up_account(self) -> Account:
        invoked = pulumi.InvokeOptions(parent=self)
        return Account(
            partition=aws.get_partition(opts=invoked).partition,
            account_id=aws.get_caller_identity(opts=invoked).account_id,
            region=aws.get_region(opts=invoked).region,
        )

    def _boundary(self, workload: Workload) -> None:
        # Named here, as the roles are: the stacks' settings and the workflows name them.
        name = workload.stack.boundary
        aws.iam.Policy(name, name=name, path=DELIVERY_PATH, policy=json.dumps(workload.bounds), opts=self._child)

    def _role(self, purpose: Purpose) -> aws.iam.Role:
        trusted = self.provider.arn.apply(
            lambda arn: json.dumps(trusting(arn, self._repository, subjects=purpose.subjects, refs=purpose.refs))
        )
        role = aws.iam.Role(
            purpose.name, name=purpose.name, path=DELIVERY_PATH, assume_role_policy=trusted, opts=self._child
        )
        for part, statements in purpose.policies.items():
            name = f"{purpose.name}-{part}"
            policy = aws.iam.Policy(
                name, path=DELIVERY_PATH, policy=json.dumps(document(*statements)), opts=self._child
            )
            aws.iam.RolePolicyAttachment(name, role=role.name, policy_arn=policy.arn, opts=self._child)
        return role
