"""What each role of a workflow may and may not do, and who may take it: evaluated on the policies as they are declared.

What this cannot prove: that AWS's provider makes no call that is not in `delivery_project.services`.
"""

import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from delivery_project.services import PROJECTS, SERVICES
from pipeline_common.contracts import DeliveryOutputs
from pipeline_common.infra.stack_config import StackConfigError
from tests.infra.deployed import STACKS, delivery, processing, storage
from tests.infra.iam import allows
from tests.infra.recording import ACCOUNT, REGION, Recording, Registration, record

ROLE = "aws:iam/role:Role"
POLICY = "aws:iam/policy:Policy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
ROLES = (
    *("preview-dev", "deploy-dev", "instance-dev", "preview-staging", "deploy-staging"),
    *("preview-prod", "deploy-prod", "release-prod"),
)
ISSUER = "token.actions.githubusercontent.com"
REPOSITORY = "example@1000001/data-pipeline@2000002"
STATE = "arn:aws:s3:::example-data-pipeline-state"
REPLICATES = {"replication": "-replication"}
"""What is behind the name of a boundary."""

BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/delivery/workload-"


@functools.cache
def rights(role: str) -> dict[str, Any]:
    """Return all the statements of a role's policies as one policy."""
    attached = {one.inputs["policyArn"] for one in delivery().of(ATTACHMENT) if one.inputs["role"] == role}
    assert 0 < len(attached) <= 10, "AWS attaches ten policies at most"
    found = [one.document()["Statement"] for one in delivery().of(POLICY) if one.arn in attached]
    assert len(found) == len(attached)
    return {"Statement": [statement for statements in found for statement in statements]}


def may(role: str, action: str, resource: str, **context: str) -> bool:
    return allows(rights(role), action, resource, context={key.replace("__", ":"): context[key] for key in context})


@pytest.mark.parametrize("role", ROLES)
def test_every_role_is_there_and_takes_no_longer_than_an_hour(role: str) -> None:
    declared = delivery().named(ROLE, role)
    assert declared.arn == f"arn:aws:iam::{ACCOUNT}:role/delivery/{role}"
    assert "maxSessionDuration" not in declared.inputs
    assert declared.arn in DeliveryOutputs.parse(delivery().outputs).role_arns.split(",")


def test_no_other_role_is_there() -> None:
    assert sorted(role.name for role in delivery().of(ROLE)) == sorted(ROLES)


MAIN = "refs/heads/main"
TAG = "refs/tags/replication/v1.4.0"
MERGE = "refs/pull/42/merge"
RUNS: Mapping[str, tuple[str, str]] = {
    "a pull request's": ("pull_request", MERGE),
    "the nightly one": (f"ref:{MAIN}", MAIN),
    "main to dev": ("environment:dev", MAIN),
    "main to prod": ("environment:prod", MAIN),
    "a branch to prod": ("environment:prod", "refs/heads/topic"),
    "a pull request to dev": ("environment:dev", MERGE),
    "a release": ("environment:prod", TAG),
    "another project's release": ("environment:prod", "refs/tags/storage/v1.0.0"),
    "a tag without an environment": (f"ref:{TAG}", TAG),
    "an instance": ("environment:instances", MERGE),
    "an instance of a closed one": ("environment:instances", MAIN),
    "a branch without an environment": ("ref:refs/heads/topic", "refs/heads/topic"),
}
"""Runs of workflows: the token's subject behind the repository, and its ref."""

TRUSTED: Mapping[str, set[str]] = {
    "preview-dev": {"a pull request's", "the nightly one"},
    "preview-prod": {"a pull request's", "the nightly one"},
    "deploy-dev": {"main to dev"},
    "deploy-staging": set(),
    "deploy-prod": {"main to prod"},
    "release-prod": {"a release"},
    "instance-dev": {"an instance", "an instance of a closed one"},
}


def trusts(role: str, subject: str, ref: str, *, audience: str = "sts.amazonaws.com") -> bool:
    declared = delivery().named(ROLE, role)
    assert len(declared.inputs["assumeRolePolicy"]) <= 2048
    return allows(
        declared.document("assumeRolePolicy"),
        "sts:AssumeRoleWithWebIdentity",
        declared.arn,
        principal=DeliveryOutputs.parse(delivery().outputs).provider_arn,
        context={f"{ISSUER}:aud": audience, f"{ISSUER}:sub": subject, f"{ISSUER}:ref": ref},
    )


@pytest.mark.parametrize("role", TRUSTED)
def test_a_role_is_taken_by_the_runs_it_is_for_and_by_no_other(role: str) -> None:
    taken = {name for name, (subject, ref) in RUNS.items() if trusts(role, f"repo:{REPOSITORY}:{subject}", ref)}
    assert taken == TRUSTED[role]


@pytest.mark.parametrize("role", [role for role in TRUSTED if TRUSTED[role]])
@pytest.mark.parametrize(
    "repository", ["other/data-pipeline", "example@1000001/data-pipeline@9", "example/data-pipeline", "*"]
)
def test_no_other_repositorys_runs_take_a_role(role: str, repository: str) -> None:
    for subject, ref in RUNS.values():
        assert not trusts(role, f"repo:{repository}:{subject}", ref)


def test_a_token_for_another_audience_takes_no_role() -> None:
    assert not trusts("deploy-dev", f"repo:{REPOSITORY}:environment:dev", MAIN, audience="https://example.com")


def test_the_provider_is_githubs_and_takes_tokens_for_aws_alone() -> None:
    provider = delivery().named("aws:iam/openIdConnectProvider:OpenIdConnectProvider", "github").inputs
    assert (provider["url"], provider["clientIdLists"]) == (f"https://{ISSUER}", ["sts.amazonaws.com"])


BUCKET = "arn:aws:s3:::storage-{}-objects-1a2b3c4"
TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/storage-{{}}-items-1a2b3c4"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{}}-queue-1a2b3c4"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{}}-1a2b3c4"
WORKER = f"arn:aws:iam::{ACCOUNT}:role/{{}}-role-1a2b3c4"
RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{{}}-rule-1a2b3c4"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/k"
MAPPING = f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:m"


def of(project: str, environment: str, **more: str) -> dict[str, str]:
    """The tags of a resource of that stack, as a policy's conditions see them."""
    tags = {"Project": project, "Environment": environment, **more}
    return {f"aws__ResourceTag/{key}": value for key, value in tags.items()}


CALLS: list[tuple[str, str, str, dict[str, str]]] = [
    # what is called, by whom it may be, on what, in which context
    ("s3:GetBucketVersioning", "preview-dev deploy-dev", BUCKET.format("dev"), {}),
    ("s3:PutBucketVersioning", "deploy-dev", BUCKET.format("dev"), {}),
    ("s3:PutBucketVersioning", "deploy-dev instance-dev", BUCKET.format("dev-pr42"), {}),
    ("s3:PutBucketVersioning", "deploy-prod", BUCKET.format("prod"), {}),
    ("s3:DeleteBucket", "deploy-staging", BUCKET.format("staging"), {}),
    ("s3:DeleteObject", "", BUCKET.format("dev") + "/a", {}),
    ("s3:DeleteObject", "", BUCKET.format("prod") + "/a", {}),
    ("s3:DeleteObject", "instance-dev", BUCKET.format("dev-pr42") + "/a", {}),
    ("s3:GetObject", "release-prod", BUCKET.format("prod") + "/a", {}),
    ("s3:GetObjectTagging", "release-prod", BUCKET.format("staging") + "/a", {}),
    ("s3:PutObject", "", BUCKET.format("staging") + "/a", {}),
    ("s3:PutBucketPolicy", "deploy-prod", BUCKET.format("prod"), {}),
    ("s3:ListBucket", "preview-prod deploy-prod release-prod", BUCKET.format("prod"), {}),
    ("s3:PutObject", "", BUCKET.format("dev") + "/a", {}),
    ("dynamodb:GetItem", "", TABLE.format("prod"), {}),
    ("dynamodb:Scan", "release-prod", TABLE.format("dev"), {}),
    ("dynamodb:BatchWriteItem", "", TABLE.format("dev"), {}),
    ("dynamodb:UpdateTable", "deploy-prod", TABLE.format("prod"), {}),
    ("dynamodb:DescribeTable", "preview-prod deploy-prod", TABLE.format("prod"), {}),
    ("sqs:SetQueueAttributes", "release-prod", QUEUE.format("replication-prod-route-dev"), {}),
    ("sqs:SendMessage", "", QUEUE.format("replication-prod-route-dev"), {}),
    ("sqs:ReceiveMessage", "release-prod", QUEUE.format("storage-prod-dead-letters"), {}),
    ("sqs:DeleteMessage", "", QUEUE.format("storage-prod-dead-letters"), {}),
    ("sqs:SetQueueAttributes", "deploy-prod", QUEUE.format("storage-prod-dead-letters"), {}),
    ("sqs:SetQueueAttributes", "deploy-prod", QUEUE.format("processing-prod"), {}),
    ("lambda:UpdateFunctionCode", "release-prod", FUNCTION.format("replication-prod-route-dev-replicator"), {}),
    ("lambda:UpdateAlias", "release-prod", FUNCTION.format("replication-prod-route-dev-replicator") + ":live", {}),
    ("lambda:UpdateFunctionCode", "deploy-dev", FUNCTION.format("processing-dev-processor"), {}),
    ("lambda:InvokeFunction", "", FUNCTION.format("processing-prod-processor"), {}),
    (
        "lambda:CreateEventSourceMapping",
        "deploy-dev",
        "*",
        {"lambda__FunctionArn": FUNCTION.format("processing-dev-p")},
    ),
    (
        "lambda:DeleteEventSourceMapping",
        "deploy-prod",
        MAPPING,
        {"lambda__FunctionArn": FUNCTION.format("processing-prod-p")},
    ),
    ("lambda:DeleteEventSourceMapping", "", MAPPING, {}),
    # To a pattern, dev's own processor is named as the function of an instance `pr...` is.
    *(
        (
            f"lambda:{action}EventSourceMapping",
            "deploy-dev",
            MAPPING,
            {"lambda__FunctionArn": FUNCTION.format("processing-dev-processor")},
        )
        for action in ("Create", "Update", "Delete")
    ),
    ("events:PutTargets", "release-prod", RULE.format("replication-prod-route-dev"), {}),
    ("events:PutTargets", "deploy-staging", RULE.format("processing-staging"), {}),
    ("kms:ScheduleKeyDeletion", "deploy-prod", KEY, of("storage", "prod")),
    ("kms:ScheduleKeyDeletion", "deploy-dev instance-dev", KEY, of("storage", "dev", Suffix="pr42")),
    ("kms:ScheduleKeyDeletion", "deploy-dev", KEY, of("storage", "dev")),
    ("kms:ScheduleKeyDeletion", "", KEY, {}),
    ("kms:ScheduleKeyDeletion", "release-prod", KEY, of("replication", "prod")),
    ("kms:PutKeyPolicy", "release-prod", KEY, of("replication", "prod")),
    # Who judges a release compares replicas with what they should be.
    ("kms:GenerateMac", "release-prod", KEY, of("replication", "prod")),
    ("kms:GenerateMac", "", KEY, of("storage", "prod")),
    ("kms:Decrypt", "", KEY, of("storage", "dev")),
    ("kms:CreateKey", "", "*", {}),
    ("kms:CreateKey", "deploy-dev", "*", {"aws__RequestTag/Project": "storage", "aws__RequestTag/Environment": "dev"}),
    (
        "kms:TagResource",
        "deploy-prod",
        KEY,
        {**of("storage", "prod"), "aws__RequestTag/Project": "storage", "aws__RequestTag/Environment": "dev"},
    ),
    ("cloudwatch:PutDashboard", "release-prod", f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/replication-prod", {}),
    ("cloudwatch:PutDashboard", "deploy-dev", f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/processing-dev", {}),
    ("cloudwatch:PutDashboard", "instance-dev", f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/processing-dev-pr42", {}),
    ("cloudtrail:StopLogging", "release-prod", f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/replication-prod", {}),
    ("cloudtrail:StopLogging", "", f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/the-accounts", {}),
    ("iam:CreateRole", "", WORKER.format("processing-dev-processor"), {}),
    (
        "iam:CreateRole",
        "deploy-dev",
        WORKER.format("processing-dev-processor"),
        {"iam__PermissionsBoundary": f"{BOUNDARY}dev"},
    ),
    (
        "iam:CreateRole",
        "",
        WORKER.format("processing-dev-processor"),
        {"iam__PermissionsBoundary": f"{BOUNDARY}prod"},
    ),
    # A pull request's code writes the policies of its instance's roles, and so chooses what their functions reach.
    (
        "iam:CreateRole",
        "deploy-dev",
        WORKER.format("processing-dev-pr42"),
        {"iam__PermissionsBoundary": f"{BOUNDARY}dev"},
    ),
    (
        "iam:PutRolePolicy",
        "instance-dev",
        WORKER.format("processing-dev-pr42"),
        {"iam__PermissionsBoundary": f"{BOUNDARY}dev-instances"},
    ),
    # What replicates writes to no source, and what processes to no target.
    ("iam:CreateRole", "", WORKER.format("replication-prod"), {"iam__PermissionsBoundary": f"{BOUNDARY}prod"}),
    (
        "iam:CreateRole",
        "",
        WORKER.format("processing-prod"),
        {"iam__PermissionsBoundary": f"{BOUNDARY}prod-replication"},
    ),
    ("iam:PutRolePolicy", "", WORKER.format("processing-prod-processor"), {}),
    ("iam:DeleteRolePermissionsBoundary", "", WORKER.format("processing-dev-processor"), {}),
    ("iam:AttachRolePolicy", "", WORKER.format("processing-dev-processor"), {}),
    (
        "iam:PassRole",
        "deploy-dev",
        WORKER.format("processing-dev-processor"),
        {"iam__PassedToService": "lambda.amazonaws.com"},
    ),
    (
        "iam:PassRole",
        "",
        WORKER.format("processing-dev-processor"),
        {"iam__PassedToService": "ec2.amazonaws.com"},
    ),
    ("iam:UpdateAssumeRolePolicy", "", f"arn:aws:iam::{ACCOUNT}:role/delivery/deploy-dev", {}),
    (
        "iam:PassRole",
        "",
        f"arn:aws:iam::{ACCOUNT}:role/delivery/deploy-prod",
        {"iam__PassedToService": "lambda.amazonaws.com"},
    ),
    ("iam:PutRolePermissionsBoundary", "", WORKER.format("processing-dev-pr42"), {"iam__PermissionsBoundary": "mine"}),
    ("lambda:AddPermission", "deploy-dev", FUNCTION.format("processing-dev-processor"), {}),
    ("dynamodb:PutResourcePolicy", "", TABLE.format("dev-pr42"), {}),
    ("kms:CreateGrant", "", KEY, of("storage", "prod")),
    ("kms:PutKeyPolicy", "deploy-prod", KEY, of("storage", "prod")),
    ("s3:GetObject", "deploy-prod", f"{STATE}/.pulumi/backups/storage/prod/prod.json", {}),
    ("iam:CreatePolicyVersion", "", f"{BOUNDARY}dev", {}),
    ("iam:SetDefaultPolicyVersion", "", f"{BOUNDARY}dev", {}),
    ("iam:DeletePolicy", "", f"{BOUNDARY}prod", {}),
    ("iam:DeleteOpenIDConnectProvider", "", f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}", {}),
    ("iam:UpdateOpenIDConnectProviderThumbprint", "", f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}", {}),
    ("iam:CreateUser", "", f"arn:aws:iam::{ACCOUNT}:user/me", {}),
    ("iam:CreateAccessKey", "", f"arn:aws:iam::{ACCOUNT}:user/me", {}),
    ("sts:AssumeRole", "", f"arn:aws:iam::{ACCOUNT}:role/delivery/deploy-prod", {}),
    ("s3:GetObject", " ".join(ROLES), f"{STATE}/.pulumi/stacks/storage/prod.json", {}),
    ("s3:PutObject", "deploy-dev", f"{STATE}/.pulumi/stacks/storage/dev.json", {}),
    ("s3:PutObject", "deploy-prod", f"{STATE}/.pulumi/stacks/processing/prod.json.gz", {}),
    ("s3:PutObject", "release-prod", f"{STATE}/.pulumi/stacks/replication/prod.json", {}),
    ("s3:PutObject", "instance-dev", f"{STATE}/.pulumi/stacks/storage/dev-pr42.json", {}),
    ("s3:DeleteObject", "release-prod", f"{STATE}/.pulumi/locks/organization/replication/prod/l.json", {}),
    ("s3:PutObject", "release-prod", f"{STATE}/deploys/replication/prod/d.json", {}),
    ("s3:PutObject", "", f"{STATE}/.pulumi/stacks/delivery/shared.json", {}),
    ("s3:DeleteBucket", "", STATE, {}),
]


@pytest.mark.parametrize(
    ("action", "by", "resource", "context"), CALLS, ids=[f"{call[0]} by {call[1] or 'nobody'}" for call in CALLS]
)
def test_a_call_is_allowed_to_the_roles_that_it_is_for_and_to_no_other(
    action: str, by: str, resource: str, context: dict[str, str]
) -> None:
    assert {role for role in ROLES if may(role, action, resource, **context)} == set(by.split())


def test_a_preview_changes_nothing_but_its_own_understanding() -> None:
    for role in ROLES:
        if role.startswith("preview-"):
            actions = {action for statement in rights(role)["Statement"] for action in statement["Action"]}
            verbs = {re.split(r"(?<=[a-z])(?=[A-Z])", action.partition(":")[2])[0] for action in actions}
            assert verbs <= {"Describe", "Get", "List"}, role


def stacks(project: str) -> Iterator[tuple[str, Recording]]:
    for stack, recorded in STACKS.items():
        if stack.partition("/")[0] == project:
            yield stack.partition("/")[2].partition(" ")[0], recorded()


@pytest.mark.parametrize("project", PROJECTS)
def test_rights_are_on_what_a_project_declares_and_on_no_other_service(project: str) -> None:
    declared = {one.type for _, recorded in stacks(project) for one in recorded.resources()}
    services = {name: set(SERVICES[name].types) for name in PROJECTS[project]}
    assert declared <= set().union(*services.values())
    assert [name for name, types in services.items() if not types & declared] == []


MADE: Mapping[str, tuple[str, str, str]] = {
    "aws:s3/bucket:Bucket": ("s3:GetBucketTagging", "s3:CreateBucket", "s3:DeleteBucket"),
    "aws:dynamodb/table:Table": ("dynamodb:DescribeTable", "dynamodb:CreateTable", "dynamodb:DeleteTable"),
    "aws:sns/topic:Topic": ("sns:GetTopicAttributes", "sns:CreateTopic", "sns:DeleteTopic"),
    "aws:sqs/queue:Queue": ("sqs:GetQueueAttributes", "sqs:CreateQueue", "sqs:DeleteQueue"),
    ROLE: ("iam:GetRole", "iam:CreateRole", "iam:DeleteRole"),
    "aws:lambda/function:Function": ("lambda:GetFunction", "lambda:CreateFunction", "lambda:DeleteFunction"),
    "aws:lambda/alias:Alias": ("lambda:GetAlias", "lambda:CreateAlias", "lambda:DeleteAlias"),
    "aws:cloudwatch/eventRule:EventRule": ("events:DescribeRule", "events:PutRule", "events:DeleteRule"),
    "aws:cloudwatch/logGroup:LogGroup": ("logs:ListTagsForResource", "logs:CreateLogGroup", "logs:DeleteLogGroup"),
    "aws:cloudtrail/trail:Trail": ("cloudtrail:GetTrail", "cloudtrail:CreateTrail", "cloudtrail:DeleteTrail"),
    "aws:cloudwatch/metricAlarm:MetricAlarm": (
        "cloudwatch:DescribeAlarms",
        "cloudwatch:PutMetricAlarm",
        "cloudwatch:DeleteAlarms",
    ),
}
"""By the type of what has an ARN: how it is looked at, made and deleted."""


@functools.cache
def _engines_names() -> Mapping[str, str]:
    return {
        one.physical: f"{stack.partition(' ')[0].replace('/', '-')}-{one.physical}"
        for stack, recorded in STACKS.items()
        for one in recorded().resources()
        if one.physical and "name" not in one.inputs
    }


def real_names(text: str) -> str:
    """Return a text in which each recorded physical name is the one that the engine would make."""
    return re.sub(r"[\w-]+", lambda word: _engines_names().get(word[0], word[0]), text)


@pytest.mark.parametrize("project", PROJECTS)
def test_everything_that_is_declared_can_be_made_by_its_role_and_seen_by_the_preview(project: str) -> None:
    for environment, recorded in stacks(project):
        changes = f"{'release' if project == 'replication' else 'deploy'}-{environment}"
        bounded = {"iam__PermissionsBoundary": f"{BOUNDARY}{environment}{REPLICATES.get(project, '')}"}
        for one in recorded.resources():
            if one.type not in MADE:
                continue
            arn = _arn(one)
            look, make, delete = MADE[one.type]
            assert may(f"preview-{environment}", look, arn), arn
            assert not may(f"preview-{environment}", make, arn, **bounded), arn
            assert may(changes, make, arn, **bounded), arn
            assert may(changes, delete, arn), arn


@pytest.mark.parametrize("project", ["storage", "processing"])
def test_who_deploys_instances_can_change_nothing_of_their_environment(project: str) -> None:
    for one in STACKS[f"{project}/dev"]().resources():
        if one.type in MADE:
            _, make, delete = MADE[one.type]
            for action in (make, delete):
                assert not may(
                    "instance-dev", action, _arn(one), iam__PermissionsBoundary=f"{BOUNDARY}dev-instances"
                ), one.name


def _arn(one: Registration) -> str:
    arn = real_names(one.arn)
    assert one.type in {"aws:lambda/alias:Alias", "aws:cloudtrail/trail:Trail"} or arn != one.arn
    return arn


@pytest.mark.parametrize("stack", [stack for stack in STACKS if not stack.startswith("storage")])
def test_a_functions_own_policy_is_within_the_bounds_of_its_roles(stack: str) -> None:
    project, _, environment = stack.partition(" ")[0].partition("/")
    bounds = delivery().named(POLICY, f"workload-{environment}{REPLICATES.get(project, '')}").document()
    instances = delivery().named(POLICY, "workload-dev-instances").document()
    tags = {key.replace("__", ":"): value for key, value in of(project, environment).items()}
    tags |= {"lambda:FunctionArn": FUNCTION.format(f"{project}-{environment}-route-dev-replicator")}
    for one in STACKS[stack]().of("aws:iam/rolePolicy:RolePolicy"):
        for statement in json.loads(real_names(one.inputs["policy"]))["Statement"]:
            if statement["Effect"] != "Allow":
                continue
            for action in statement["Action"]:
                for resource in statement["Resource"]:
                    assert allows(bounds, action, resource, context=tags), (one.name, action, resource)
                    if environment == "dev":
                        assert not allows(instances, action, resource), (one.name, action, resource)
                        assert allows(instances, action, resource.replace("-dev-", "-dev-pr42-")), (action, resource)


def test_bounds_end_at_the_environment_and_for_what_replicates_at_its_targets() -> None:
    def bounded(workload: str, action: str, resource: str, **context: str) -> bool:
        policy = delivery().named(POLICY, f"workload-{workload}").document()
        return allows(policy, action, resource, context={key.replace("__", ":"): context[key] for key in context})

    assert bounded("prod-replication", "s3:PutObject", BUCKET.format("dev") + "/a")
    assert bounded("prod-replication", "s3:GetObject", BUCKET.format("prod") + "/a")
    assert not bounded("prod-replication", "s3:PutObject", BUCKET.format("prod") + "/a")
    assert not bounded("prod-replication", "dynamodb:BatchWriteItem", TABLE.format("prod"))
    assert bounded("prod-replication", "kms:GenerateMac", KEY, **of("replication", "prod"))
    assert not bounded("prod", "kms:GenerateMac", KEY, **of("replication", "prod"))
    assert not bounded("dev", "kms:GenerateMac", KEY, **of("replication", "prod"))
    assert not bounded("prod", "s3:PutObject", BUCKET.format("dev") + "/a")
    assert not bounded("dev", "s3:GetObject", BUCKET.format("prod") + "/a")
    assert not bounded("staging", "s3:GetObject", BUCKET.format("dev") + "/a")
    assert not bounded("dev", "dynamodb:PutItem", TABLE.format("prod"))
    assert not bounded("prod", "dynamodb:DeleteTable", TABLE.format("prod"))
    assert not bounded("prod", "iam:CreateRole", WORKER.format("processing-prod"))
    assert bounded("dev", "kms:GenerateDataKey", KEY, kms__ViaService=f"sns.{REGION}.amazonaws.com")
    assert not bounded("dev", "kms:Decrypt", KEY, kms__ViaService=f"s3.{REGION}.amazonaws.com")


def test_every_policy_is_as_short_as_aws_takes_it() -> None:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    for policy in delivery().of(POLICY):
        assert len(json.dumps(policy.document(), separators=(",", ":"))) <= 6144, policy.name


def test_a_named_boundary_bounds_every_role_of_a_stack_and_without_one_none_is_bounded() -> None:
    def bounds(stack: str, config: Mapping[str, Any]) -> set[Any]:
        outputs = {f"organization/storage/{stack}": storage(stack).outputs}
        return {role.inputs.get("permissionsBoundary") for role in processing(stack, config, stacks=outputs).of(ROLE)}

    named = {"pipeline:permissionsBoundary": f"{BOUNDARY}dev"}
    assert bounds("dev", named) == bounds("dev-me", named) == {f"{BOUNDARY}dev"}
    assert bounds("dev-pr42", named) == {f"{BOUNDARY}dev-instances"}
    assert bounds("dev", {}) == {None}


def test_a_kms_key_of_the_states_secrets_is_used_by_every_role() -> None:
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/secrets"
    keyed = record("delivery", "shared", {"delivery:secretsKeyArn": key})
    claim = {"aws:RequestTag/Project": "storage", "aws:RequestTag/Environment": "prod"}
    for role in ROLES:
        state = keyed.named(POLICY, f"{role}-state").document()
        assert allows(state, "kms:Decrypt", key), role
        assert not allows(state, "kms:ScheduleKeyDeletion", key), role
        # It has no tag that tells an owner, and is nobody's to claim.
        everything = {"Statement": [*state["Statement"], *rights(role)["Statement"]]}
        assert not allows(everything, "kms:TagResource", key, context=claim), role


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"delivery:repository": "data-pipeline"}, "delivery:repository is 'data-pipeline'"),
        ({"delivery:repository": "*/*"}, r"delivery:repository is '\*/\*'"),
        ({"delivery:environments": [{"name": "dev"}, {"name": "dev"}]}, "delivery:environments names dev twice"),
        (
            {"delivery:environments": [{"name": "prod", "targets": ["dev"]}]},
            "delivery:environments has no dev, a target of prod",
        ),
        ({"delivery:stateBucket": None}, "delivery:stateBucket is missing"),
    ],
)
def test_what_is_wrong_in_the_settings_is_said_with_the_key(config: dict[str, Any], sentence: str) -> None:
    with pytest.raises(StackConfigError, match=rf"projects/delivery/Pulumi\.shared\.yaml: {sentence}"):
        record("delivery", "shared", config)
