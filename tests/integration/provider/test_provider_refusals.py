"""What the provider refuses, as the user of the engine sees it."""

import json
from collections.abc import Iterator

import pulumi
import pulumi_aws as aws
import pytest
from pulumi.automation import CommandError

from tests.integration.provider.conftest import StackFactory
from tests.integration.provider.stacks import Program, ProviderStack

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def stack(make_stack: StackFactory) -> Iterator[ProviderStack]:
    with make_stack("refusals") as made:
        yield made


def _unknown_type(opts: pulumi.ResourceOptions) -> None:
    aws.ssm.Parameter("parameter", type="String", value="x", opts=opts)


def _unknown_input(opts: pulumi.ResourceOptions) -> None:
    aws.s3.Bucket("bucket", acceleration_status="Enabled", opts=opts)


def _impossible_value(opts: pulumi.ResourceOptions) -> None:
    aws.cloudwatch.LogGroup("logs", retention_in_days=8, opts=opts)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (_unknown_type, ["aws:ssm/parameter:Parameter"]),
        (_unknown_input, ["aws:s3/bucket:Bucket", "accelerationStatus"]),
        (_impossible_value, ["aws:cloudwatch/logGroup:LogGroup", "retentionInDays", "8 is not one of AWS's"]),
    ],
)
def test_a_preview_refuses_by_name_what_cannot_be_deployed(
    stack: ProviderStack, program: Program, words: list[str]
) -> None:
    with pytest.raises(CommandError) as refused:
        stack.preview(program)
    assert [word for word in words if word not in str(refused.value)] == []


def _one_queue(opts: pulumi.ResourceOptions) -> None:
    aws.sqs.Queue("queue", opts=opts)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"endpoints": None}, "needs `endpoints`"),
        ({"endpoints": [aws.ProviderEndpointArgs(s3="https://s3.us-east-1.amazonaws.com")]}, "is AWS"),
        ({"allowed_account_ids": ["111122223333"]}, "`allowedAccountIds` has only 111122223333"),
        ({"ignore_tags": aws.ProviderIgnoreTagsArgs(keys=["x"])}, "ignoreTags"),
    ],
)
def test_a_provider_that_could_reach_aws_is_refused(
    stack: ProviderStack, changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(CommandError, match=reason):
        stack.preview(_one_queue, **changes)


def test_a_bucket_with_objects_is_not_deleted_unless_forced(stack: ProviderStack) -> None:
    def program(opts: pulumi.ResourceOptions, *, force: bool = False) -> None:
        bucket = aws.s3.Bucket("bucket", force_destroy=force, opts=opts)
        aws.s3.BucketVersioning(
            "versioning", bucket=bucket.bucket, versioning_configuration={"status": "Enabled"}, opts=opts
        )
        pulumi.export("bucket", bucket.bucket)

    name = stack.up(program).outputs["bucket"]
    s3 = stack.cloud.client("s3")
    for body in (b"one", b"two"):
        s3.put_object(Bucket=name, Key="kept", Body=body)
    s3.delete_object(Bucket=name, Key="kept")
    with pytest.raises(CommandError, match="is not empty"):
        stack.destroy()
    stack.up(lambda opts: program(opts, force=True))
    stack.destroy()
    assert name not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]


@pytest.mark.needs("cloudtrail")
def test_a_trail_whose_bucket_does_not_let_it_in_is_refused(stack: ProviderStack) -> None:
    def program(opts: pulumi.ResourceOptions) -> None:
        log = aws.s3.Bucket("trail-log", opts=opts)
        aws.cloudtrail.Trail("trail", s3_bucket_name=log.bucket, opts=opts)

    with pytest.raises(CommandError, match=r"does not allow .* s3:GetBucketAcl, s3:PutObject"):
        stack.up(program)


def test_a_queue_that_shows_messages_before_its_function_is_done_is_refused(
    stack: ProviderStack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    code = tmp_path_factory.mktemp("code")
    (code / "code.py").write_text("def handle(event, context): pass\n")
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})

    def program(opts: pulumi.ResourceOptions, *, visibility: int = 30, twice: bool = False) -> None:
        function = aws.lambda_.Function(
            "function",
            code=pulumi.FileArchive(str(code)),
            runtime="python3.12",
            handler="code.handle",
            role=aws.iam.Role("role", assume_role_policy=policy, opts=opts).arn,
            timeout=60,
            opts=opts,
        )
        queue = aws.sqs.Queue("queue", visibility_timeout_seconds=visibility, opts=opts)
        mapping = aws.lambda_.EventSourceMapping(
            "mapping", event_source_arn=queue.arn, function_name=function.name, opts=opts
        )
        if twice:
            after = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[mapping]))
            aws.lambda_.EventSourceMapping("other", event_source_arn=queue.arn, function_name=function.name, opts=after)

    with pytest.raises(CommandError, match="is 30 s, less than the 60 s timeout"):
        stack.up(program)
    with pytest.raises(CommandError, match="is mapped to"):
        stack.up(lambda opts: program(opts, visibility=360, twice=True))


def test_a_name_of_the_programs_own_is_freed_before_it_is_taken_again(stack: ProviderStack) -> None:
    def program(opts: pulumi.ResourceOptions, *, kind: str) -> None:
        aws.cloudwatch.LogGroup("logs", name="taken-once", log_group_class=kind, opts=opts)

    stack.up(lambda opts: program(opts, kind="STANDARD"))
    replaced = stack.up(lambda opts: program(opts, kind="INFREQUENT_ACCESS"))
    assert "replac" in replaced.by_name["logs"]


def test_data_sources_tell_of_the_local_cloud(stack: ProviderStack) -> None:
    def program(opts: pulumi.ResourceOptions) -> None:
        asked = pulumi.InvokeOptions(provider=opts.provider)
        pulumi.export("account", aws.get_caller_identity_output(opts=asked).account_id)
        pulumi.export("region", aws.get_region_output(opts=asked).region)
        pulumi.export("partition", aws.get_partition_output(opts=asked).partition)

    told = stack.up(program).outputs
    assert told == {"account": stack.cloud.account_id, "region": stack.cloud.region, "partition": "aws"}
