"""How a route is told what to mask, by which key, and who may use that; and what is refused before anything is made."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline_common.contracts import ReplicationOutputs
from pipeline_common.infra.stack_config import StackConfigError
from replication_core.route_spec import ROUTE_FILE, ROUTES_FILE, RouteSpec
from tests.infra import recording
from tests.infra.deployed import TARGETS, committed_replication, replication, stack_outputs, storage
from tests.infra.iam import allows
from tests.infra.recording import ACCOUNT, REGION, Recording, Registration, record
from tests.integration.repositories import copied_repository
from tests.unmasked import UNMASKED

FUNCTION = "aws:lambda/function:Function"
KEY = "aws:kms/key:Key"
RIGHTS = "aws:iam/rolePolicy:RolePolicy"
POLICY = """version: 1
generation: 3
namespaces: {customer: {}}
datasets:
  items:
    key: {id: {pseudonym: customer}, timestamp: keep}
    attributes: {}
  objects:
    - match: "**"
      body: {opaque: {reason: made up}}
"""


@pytest.fixture
def deployed() -> Recording:
    return committed_replication()


def spec_of(function: Registration) -> RouteSpec:
    return RouteSpec.parse(function.archived(ROUTE_FILE))


@pytest.fixture
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the policies, in a copy of the repository."""
    monkeypatch.setattr(recording, "ROOT", tmp_path)
    return copied_repository(tmp_path) / "projects" / "replication" / "policies"


def masked(**target: Any) -> Recording:
    return replication(
        {"replication:targets": [{"environment": "dev", "masking": "policies/mine.yaml", **target}]},
        stacks=stack_outputs(),
    )


@pytest.mark.parametrize("target", TARGETS)
def test_a_version_of_a_function_is_one_of_its_policy_too_and_a_command_reads_the_same(
    deployed: Recording, target: str
) -> None:
    spec = spec_of(deployed.named(FUNCTION, f"route-{target}-replicator"))
    assert spec.policy
    assert {*spec.policy.tables, *spec.policy.buckets} == {"items", "objects"}
    assert spec.unmasked_reason == ""
    assert RouteSpec.parse(ReplicationOutputs.parse(deployed.outputs).routes[target].spec) == spec


def test_a_targets_policy_is_the_file_that_it_names(policies: Path) -> None:
    (policies / "mine.yaml").write_text(POLICY)
    policy = spec_of(masked().named(FUNCTION, "route-dev-replicator")).policy
    assert policy
    assert (policy.generation, policy.tables["items"].key["id"].kind) == (3, "pseudonym")


def test_a_next_policy_goes_with_the_function_and_gives_it_no_right_more(policies: Path) -> None:
    (policies / "mine.yaml").write_text(POLICY)
    (policies / "next.yaml").write_text(POLICY.replace("generation: 3", "generation: 4"))
    without, beside = masked(), masked(shadow="policies/next.yaml")
    spec = spec_of(beside.named(FUNCTION, "route-dev-replicator"))
    assert spec.policy
    assert spec.shadow_policy
    assert (spec.policy.generation, spec.shadow_policy.generation) == (3, 4)
    assert replace(spec, shadow={}) == spec_of(without.named(FUNCTION, "route-dev-replicator"))
    assert dict(beside.policies()) == dict(without.policies())
    assert [each["shadow"] for each in beside.named(FUNCTION, "items-notifier").archived(ROUTES_FILE)] == [""]


def test_the_notifier_is_told_of_no_policy(deployed: Recording) -> None:
    served = deployed.named(FUNCTION, "items-notifier").archived(ROUTES_FILE)
    assert [(each["target"], each["masking"], each["mask_key_arn"]) for each in served] == [
        (target, "", "") for target in TARGETS
    ]


def test_a_route_that_masks_nothing_says_why_and_has_no_key() -> None:
    made = replication({"replication:targets": [{"environment": "dev", **UNMASKED}]})
    spec = spec_of(made.named(FUNCTION, "route-dev-replicator"))
    assert (spec.policy, spec.unmasked_reason, spec.mask_key_arn) == (None, UNMASKED["reason"], "")
    assert made.of(KEY) == []
    assert not [name for name, document in made.policies() if "kms:GenerateMac" in str(document)]


# The key


@pytest.mark.parametrize("target", TARGETS)
def test_a_route_has_a_key_for_codes_that_neither_a_deploy_nor_a_policy_replaces(
    deployed: Recording, target: str
) -> None:
    key = deployed.named(KEY, f"route-{target}-mask-key")
    assert (key.inputs["keyUsage"], key.inputs["customerMasterKeySpec"]) == ("GENERATE_VERIFY_MAC", "HMAC_256")
    assert (key.protect, key.inputs["deletionWindowInDays"]) == (True, 30)
    assert spec_of(deployed.named(FUNCTION, f"route-{target}-replicator")).mask_key_arn == key.arn
    assert len({one.arn for one in deployed.of(KEY)}) == len(TARGETS)


def test_an_instances_keys_go_with_it_and_others_once_they_are_let_go() -> None:
    instance = {
        f"organization/storage/{name}-pr1": record("storage", f"{name}-pr1").outputs for name in ("prod", *TARGETS)
    }
    for made in (
        replication(stack="prod-pr1", stacks=instance),
        replication({"replication:deletionProtection": False}),
    ):
        assert [key.protect for key in made.of(KEY)] == [False, False]


def function_role(project: str, environment: str, name: str) -> tuple[str, dict[str, str]]:
    """A function's role, as a key's policy sees it: its ARN, and what is known of it besides."""
    arn = f"arn:aws:iam::{ACCOUNT}:role/{project}-{environment}-{name}-role-1a2b3c4"
    return arn, {"Project": project, "Environment": environment.partition("-")[0]}


def somebody(path: str, **tags: str) -> tuple[str, dict[str, str]]:
    return f"arn:aws:iam::{ACCOUNT}:{path}", tags


PRINCIPALS = {
    "the route's": (function_role("replication", "prod", "route-dev-replicator"), True),
    "its verifier's": (function_role("replication", "prod", "route-dev-sample"), True),
    "another route's": (function_role("replication", "prod", "route-staging-replicator"), False),
    "the notifier's": (function_role("replication", "prod", "items-notifier"), False),
    "an instance's": (function_role("replication", "prod-pr1", "route-dev-replicator"), False),
    "production's processor's": (function_role("processing", "prod", "processor"), False),
    "the target's processor's": (function_role("processing", "dev", "processor"), False),
    "another route's, by other tags": (somebody("role/replication-prod-route-staging-replicator-1a2b3c4"), False),
    "another environment's, of whatever": (somebody("role/notebook", Environment="dev"), False),
    "another's, as the delivery's": (somebody("role/notebook", Environment="dev", Project="delivery"), False),
    "production's operator": (somebody("user/me", Environment="prod"), True),
    "an operator of no environment": (somebody("role/on-call"), True),
    "who releases": (somebody("role/delivery/release-prod", Environment="shared", Project="delivery"), True),
}
"""Who asks, all of whose own policies allow it, and whether the key's does."""


@pytest.mark.parametrize("who", PRINCIPALS)
def test_a_routes_key_is_used_by_the_route_and_by_who_operates_it(deployed: Recording, who: str) -> None:
    (arn, tags), expected = PRINCIPALS[who]
    policy = deployed.named(KEY, "route-dev-mask-key").document()
    context = {"aws:PrincipalArn": arn, **{f"aws:PrincipalTag/{name}": value for name, value in tags.items()}}
    # That the account may is what lets the policies of its roles and users decide.
    account = f"arn:aws:iam::{ACCOUNT}:root"
    assert allows(policy, "kms:GenerateMac", "the key", principal=account, context=context) is expected
    assert not allows(policy, "kms:VerifyMac", "the key", principal=account, context=context)


NAMED = {
    "the route's": PRINCIPALS["the route's"],
    "another route's": PRINCIPALS["another route's"],
    "who releases": PRINCIPALS["who releases"],
    "who is named": (somebody("role/on-call"), True),
    "who is not": (somebody("user/me", Environment="prod"), False),
    "who chooses the tags of a session": (somebody("role/notebook", Environment="prod"), False),
}


@pytest.mark.parametrize("who", NAMED)
def test_where_a_keys_users_are_named_no_tag_makes_one(who: str) -> None:
    (arn, tags), expected = NAMED[who]
    made = replication({"replication:maskKeyUsers": [f"arn:aws:iam::{ACCOUNT}:role/on-call"]})
    policy = made.named(KEY, "route-dev-mask-key").document()
    context = {"aws:PrincipalArn": arn, **{f"aws:PrincipalTag/{name}": value for name, value in tags.items()}}
    account = f"arn:aws:iam::{ACCOUNT}:root"
    assert allows(policy, "kms:GenerateMac", "the key", principal=account, context=context) is expected


@pytest.mark.parametrize("target", TARGETS)
def test_a_routes_own_roles_may_make_codes_with_its_key_alone_and_no_other_function_with_any(
    deployed: Recording, target: str
) -> None:
    keys = {name: deployed.named(KEY, f"route-{name}-mask-key").arn for name in TARGETS}
    for rights in deployed.of(RIGHTS):
        may = {name for name, arn in keys.items() if allows(rights.document(), "kms:GenerateMac", arn)}
        route = rights.name.partition("-")[2].partition("-")[0]
        assert may == ({route} if rights.name.startswith("route-") else set()), rights.name


def test_a_masked_replica_may_be_at_any_key_of_the_target_and_is_read_of_the_source_as_chosen(policies: Path) -> None:
    (policies / "mine.yaml").write_text(POLICY)
    buckets = {name: storage(name).outputs["bucket_arn"] for name in ("prod", "dev")}
    for target, anywhere in (({}, True), (dict(UNMASKED), False)):
        made = masked(objects={"include": ["reports/"]}, **target)
        rights = made.named(RIGHTS, "route-dev-replicator-rights").document()
        assert allows(rights, "s3:PutObject", f"{buckets['dev']}/reports/1")
        assert allows(rights, "s3:PutObject", f"{buckets['dev']}/elsewhere") is anywhere
        assert not allows(rights, "s3:GetObject", f"{buckets['prod']}/elsewhere")


# The brake

BRAKE = "brake: {deletes: 100, share: 20, minutes: 10}\n"


def test_a_route_with_a_brake_counts_in_a_table_of_its_own_and_may_pause_itself_alone(policies: Path) -> None:
    (policies / "mine.yaml").write_text(POLICY + BRAKE)
    made = masked()
    (table,) = made.of("aws:dynamodb/table:Table")
    assert spec_of(made.named(FUNCTION, "route-dev-replicator")).brake_table == table.physical
    rights = made.named(RIGHTS, "route-dev-replicator-rights").document()
    assert allows(rights, "dynamodb:UpdateItem", table.arn)
    assert not allows(rights, "dynamodb:DeleteTable", table.arn)
    mapping = f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:m"
    for function, is_own in (
        ("replication-prod-route-dev-replicator-1a2b3c4:live", True),
        ("replication-prod-route-staging-replicator-1a2b3c4:live", False),
        ("replication-prod-pr1-route-dev-replicator-1a2b3c4:live", False),
        ("processing-prod-processor-1a2b3c4:live", False),
    ):
        context = {"lambda:FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"}
        assert allows(rights, "lambda:UpdateEventSourceMapping", mapping, context=context) is is_own, function
    alarm = made.named("aws:cloudwatch/metricAlarm:MetricAlarm", "route-dev-brake-holds").inputs
    assert (alarm["metricName"], alarm["threshold"]) == ("BrakedDeletes", 1)
    assert alarm["dimensions"] == {"target": "dev"}


def test_a_route_without_a_brake_has_neither(policies: Path) -> None:
    (policies / "mine.yaml").write_text(POLICY)
    made = masked()
    assert made.of("aws:dynamodb/table:Table") == []
    assert spec_of(made.named(FUNCTION, "route-dev-replicator")).brake_table == ""
    assert "EventSourceMapping" not in str(made.named(RIGHTS, "route-dev-replicator-rights").document())


# What is refused


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (
            {"masking": None},
            r"replication:targets\[0\].masking is missing \(the policy that masks what it gets, a file of the "
            r"project's, or none with a reason beside\); write for example "
            r"`replication:targets\[0\].masking: policies/dev.yaml`.",
        ),
        ({"masking": "none"}, r"replication:targets\[0\].masking is none without a reason: say why in"),
        ({"reason": "made up"}, r"replication:targets\[0\].reason is for a target with `masking: none`"),
        ({"masking": "policies/lost.yaml"}, "projects/replication/policies/lost.yaml is not there: write it"),
        ({"masking": "../storage/Pulumi.yaml"}, "it leaves the project's folder"),
        ({"shadow": "policies/lost.yaml"}, r"replication:targets\[0\].shadow is 'policies/lost.yaml': .*is not there"),
        (
            {"masking": "none", "reason": "made up", "shadow": "policies/mine.yaml"},
            r"replication:targets\[0\].shadow is for a target that a policy masks: remove it, or name one in masking",
        ),
    ],
)
def test_a_target_is_refused_that_says_nothing_of_masking_or_what_can_not_be(
    policies: Path, target: dict[str, Any], sentence: str
) -> None:
    (policies / "mine.yaml").write_text(POLICY)
    named = {"environment": "dev", "masking": "policies/mine.yaml", **target}
    # As text, since the tests' own way of deploying has what says nothing of it copy as it is.
    config = {"replication:targets": repr([{k: v for k, v in named.items() if v}]).replace("'", '"')}
    with pytest.raises(StackConfigError, match=sentence):
        replication(config)


@pytest.mark.parametrize(("setting", "preview"), [("masking", False), ("masking", True), ("shadow", True)])
@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("pseudonym: customer", "pseudonym: nobody", r"projects/replication/policies/mine.yaml, line 6: .*nobody"),
        ("  items:", "  orders:", "it has rules for orders, and the storage of prod has no such dataset"),
        ("timestamp: keep", "at: keep", r"policies/mine.yaml.*datasets.items.key has no rule for timestamp"),
        ("  objects:\n", "  blobs:\n", "datasets.objects is missing, and a target gets it"),
    ],
)
def test_a_policy_that_is_wrong_is_refused_with_its_line_before_anything_is_made(
    policies: Path, setting: str, preview: bool, before: str, after: str, sentence: str
) -> None:
    assert before in POLICY
    (policies / "mine.yaml").write_text(POLICY.replace(before, after))
    (policies / "right.yaml").write_text(POLICY)
    named = {"masking": "policies/right.yaml", setting: "policies/mine.yaml"}
    with pytest.raises(StackConfigError, match=sentence):
        replication({"replication:targets": [{"environment": "dev", **named}]}, preview=preview)
