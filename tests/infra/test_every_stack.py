"""What holds for whatever any project deploys."""

import json
import re
from collections.abc import Iterator
from typing import Any

import parliament
import pytest
import yaml

from pipeline_common.infra.alarms import RUNBOOK
from pipeline_common.tags import DEFAULT_TAG_KEYS
from tests.infra.deployed import EVERY_STACK
from tests.infra.iam import allows
from tests.infra.recording import ROOT, Recording, committed_config

UNTAGGABLE = {
    "aws:cloudwatch/dashboard:Dashboard",
    "aws:cloudwatch/eventTarget:EventTarget",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "aws:lambda/alias:Alias",
    "aws:lambda/functionRecursionConfig:FunctionRecursionConfig",
    "aws:lambda/permission:Permission",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws:s3/bucketNotification:BucketNotification",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketVersioning:BucketVersioning",
    "aws:sns/topicPolicy:TopicPolicy",
    "aws:sns/topicSubscription:TopicSubscription",
    "aws:sqs/queuePolicy:QueuePolicy",
}
"""The types that AWS has no tags for; every other one carries them."""

NOT_ON_AN_ALARM = {
    "how-an-alarm-reaches-you",
    "before-anything-else",
    "a-deployment-that-was-cut-off",
    "the-commands",
    "after-it-is-over",
    "a-bad-release-roll-back",
}
"""The runbook's sections that are for no alarm alone."""

KEY_POLICIES = "aws:kms/key:Key/"


def named(stack: str) -> tuple[str, str]:
    """The project and the environment of one of the stacks."""
    project, _, rest = stack.partition("/")
    return project, rest.partition(" ")[0]


@pytest.fixture(params=EVERY_STACK)
def stack(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def recording(stack: str) -> Recording:
    recorded: Recording = EVERY_STACK[stack]()
    return recorded


def test_every_resource_that_can_have_tags_has_the_four(stack: str, recording: Recording) -> None:
    project, environment = named(stack)
    taggable = [one for one in recording.resources() if one.type not in UNTAGGABLE]
    assert taggable
    for one in taggable:
        tags = one.inputs["tags"]
        assert set(tags) == {"Environment", "Project", "ManagedBy", "Name"}, one.name
        assert (tags["Environment"], tags["Project"], tags["ManagedBy"]) == (environment, project, "Pulumi")
        assert tags["Name"].startswith(f"{project}-{environment}-"), one.name


def test_no_two_resources_of_a_type_have_the_same_name_tag(recording: Recording) -> None:
    names = [(one.type, one.inputs["tags"]["Name"]) for one in recording.resources() if "tags" in one.inputs]
    assert len(names) == len(set(names))


def test_the_provider_adds_the_five_tags_of_the_configuration_as_they_stand_there(
    stack: str, recording: Recording
) -> None:
    (provider,) = recording.of("pulumi:providers:aws")
    config = committed_config(*named(stack))
    assert json.loads(provider.inputs["defaultTags"]) == {
        "tags": {tag: config[f"tags:{key}"] for key, tag in DEFAULT_TAG_KEYS.items()}
    }


def test_every_resource_is_made_by_the_explicit_provider_inside_a_component(recording: Recording) -> None:
    for one in recording.resources():
        assert "pulumi:providers:aws::aws::" in one.provider, one.name
        assert "pipeline:" in one.parent, one.name


def test_default_providers_are_off(stack: str) -> None:
    assert committed_config(*named(stack))["pulumi:disable-default-providers"] == ["aws"]


def test_no_physical_name_is_given_except_where_it_is_a_contract(recording: Recording) -> None:
    for one in recording.resources():
        if "name" in one.inputs and one.inputs.get("path") != "/delivery/":  # which settings and workflows name
            assert (one.type, one.inputs["name"]) in {
                ("aws:lambda/alias:Alias", "live"),
                ("aws:cloudtrail/trail:Trail", "replication-prod"),
            }


NAME_LIMITS = {
    "aws:s3/bucket:Bucket": 63,
    "aws:dynamodb/table:Table": 255,
    "aws:sns/topic:Topic": 256,
    "aws:sqs/queue:Queue": 80,
    "aws:iam/role:Role": 64,
    "aws:iam/rolePolicy:RolePolicy": 128,
    "aws:lambda/function:Function": 64,
    "aws:cloudwatch/eventRule:EventRule": 64,
    "aws:cloudwatch/logGroup:LogGroup": 512,
    "aws:cloudwatch/metricAlarm:MetricAlarm": 255,
    "aws:cloudtrail/trail:Trail": 128,
}
"""The most characters of a name; https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html."""


def test_every_name_that_the_engine_makes_tells_project_and_environment_and_is_short_enough(
    stack: str, recording: Recording
) -> None:
    project, environment = named(stack)
    settings = yaml.safe_load((ROOT / "projects" / project / "Pulumi.yaml").read_text())
    pattern = settings["config"]["pulumi:autonaming"]["value"]["pattern"]
    assert pattern == "${project}-${stack}-${name}-${hex(7)}"
    for one in recording.registrations:
        if one.type in NAME_LIMITS:
            assert len(f"{project}-{environment}-{one.name}-1a2b3c4") <= NAME_LIMITS[one.type], one.name


def test_every_policy_is_clean_to_parliament(recording: Recording) -> None:
    for name, document in recording.policies():
        if name.startswith(KEY_POLICIES) or "iam/role:Role" in name:
            continue  # parliament knows neither key policies nor trust policies: tested by themselves
        found = parliament.analyze_policy_string(json.dumps(_for_parliament(document))).findings
        assert [(one.issue, one.detail) for one in found if not _is_known(one)] == [], name


def _is_known(finding: Any) -> bool:
    if finding.issue == "RESOURCE_POLICY_PRIVILEGE_ESCALATION":
        # Who deploys a bucket's policy may let anybody in by it: that is said in docs/delivery.md, and no function may.
        return True
    # Parliament's data has it that ListStreams can't be limited to a stream, while Lambda asks for the right "on your
    # stream" and AWS SAM's own policy template limits it to the table's streams. SNS, which AWS's tables say the same
    # of, refuses calls on a subscription with the topic as the resource that the right is missing on.
    limited = {
        "dynamodb:ListStreams",
        "sns:GetSubscriptionAttributes",
        "sns:SetSubscriptionAttributes",
        "sns:Unsubscribe",
    }
    return finding.issue == "RESOURCE_MISMATCH" and {one["action"] for one in finding.detail} <= limited


def _for_parliament(document: dict[str, Any]) -> dict[str, Any]:
    """Return a resource's policy as one of an identity, which is what parliament judges."""
    statements = [{key: value for key, value in one.items() if key != "Principal"} for one in document["Statement"]]
    text = json.dumps({**document, "Statement": statements})
    # A stream's label is a time with colons, at which parliament would split the ARN.
    parsed: dict[str, Any] = json.loads(re.sub(r"/stream/[-0-9T:.]+", "/stream/label", text))
    return parsed


def test_a_role_is_assumed_by_lambda_alone(recording: Recording) -> None:
    for role in recording.of("aws:iam/role:Role"):
        if role.inputs.get("path") == "/delivery/":
            continue  # workflows', see test_delivery.py
        (statement,) = role.document("assumeRolePolicy")["Statement"]
        assert (statement["Effect"], statement["Action"]) == ("Allow", "sts:AssumeRole"), role.name
        assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}, role.name


OF_EVERY_RESOURCE = {
    "cloudtrail:DescribeTrails",
    "cloudwatch:GetMetricData",
    "kms:CreateKey",
    "lambda:CreateEventSourceMapping",
    "lambda:ListEventSourceMappings",
    "logs:DescribeLogGroups",
}
"""What AWS limits to no resource; those that change something are limited by a condition."""


def test_nothing_allows_an_action_by_wildcard_or_every_resource(recording: Recording) -> None:
    for name, document in recording.policies():
        for one in document["Statement"]:
            if one["Effect"] != "Allow" or set(one["Action"]) <= OF_EVERY_RESOURCE:
                continue
            actions = one["Action"] if isinstance(one["Action"], list) else [one["Action"]]
            assert not [action for action in actions if "*" in action], name
            if not name.startswith(KEY_POLICIES):
                assert "*" not in one.get("Resource", []), name


def test_what_holds_data_is_encrypted(recording: Recording) -> None:
    for queue in recording.of("aws:sqs/queue:Queue"):
        assert queue.inputs["sqsManagedSseEnabled"] is True, queue.name
    for topic in recording.of("aws:sns/topic:Topic"):
        assert topic.inputs["kmsMasterKeyId"].startswith("arn:aws:kms:"), topic.name
    buckets = len(recording.of("aws:s3/bucket:Bucket"))
    encrypted = recording.of("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration")
    assert len(encrypted) == buckets


def test_every_queue_topic_and_bucket_refuses_calls_without_tls(recording: Recording) -> None:
    holders = ("aws:sqs/queue:Queue", "aws:sns/topic:Topic", "aws:s3/bucket:Bucket")
    denied = [
        name
        for name, document in recording.policies()
        for one in document["Statement"]
        if one["Effect"] == "Deny" and one.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
    ]
    assert len(denied) == sum(len(recording.of(type_)) for type_ in holders)


def test_a_function_that_sends_to_a_queue_which_invokes_it_may_do_so_for_ever_and_no_other_may(
    recording: Recording,
) -> None:
    allowed = {
        one.inputs["functionName"]
        for one in recording.of("aws:lambda/functionRecursionConfig:FunctionRecursionConfig")
        if one.inputs["recursiveLoop"] == "Allow"
    }
    assert allowed == set(_functions_that_feed_themselves(recording))


def _functions_that_feed_themselves(recording: Recording) -> Iterator[str]:
    roles = {one.physical: one.inputs["role"] for one in recording.of("aws:lambda/function:Function")}
    for mapping in recording.of("aws:lambda/eventSourceMapping:EventSourceMapping"):
        function = mapping.inputs["functionName"].split(":")[6]
        role = roles[function].rpartition("/")[2]
        rights = [one for one in recording.of("aws:iam/rolePolicy:RolePolicy") if one.inputs["role"] == role]
        if any(allows(one.document(), "sqs:SendMessage", mapping.inputs["eventSourceArn"]) for one in rights):
            yield function


def test_every_alarm_tells_the_failure_topic_and_treats_silence_as_well(recording: Recording) -> None:
    for alarm in recording.of("aws:cloudwatch/metricAlarm:MetricAlarm"):
        (action,) = alarm.inputs["alarmActions"]
        assert ":failure-" in action, alarm.name
        assert alarm.inputs["okActions"] == [action], alarm.name
        assert alarm.inputs["treatMissingData"] == "notBreaching", alarm.name
        assert all(alarm.inputs["dimensions"].values()), alarm.name


def test_every_alarm_names_a_section_of_the_runbook_that_is_there(recording: Recording) -> None:
    for alarm in recording.of("aws:cloudwatch/metricAlarm:MetricAlarm"):
        named = re.search(rf"Runbook: {re.escape(RUNBOOK)}#([a-z-]+)$", alarm.inputs["alarmDescription"])
        assert named, alarm.name
        assert named[1] in runbook_sections(), alarm.name


def runbook_sections() -> set[str]:
    """The anchors of the runbook's headings, as GitHub makes them."""
    headings = re.findall(r"^## (.+)$", (ROOT / RUNBOOK).read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_section_of_the_runbook_on_an_alarm_has_one() -> None:
    named = {
        alarm.inputs["alarmDescription"].rpartition("#")[2]
        for record in EVERY_STACK.values()
        for alarm in record().of("aws:cloudwatch/metricAlarm:MetricAlarm")
    }
    assert runbook_sections() - NOT_ON_AN_ALARM == named
