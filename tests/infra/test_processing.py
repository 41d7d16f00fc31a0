"""Each environment's processing, as its committed configuration makes it."""

import json
from typing import Any

import pytest

from pipeline_common.contracts import MissingOutputError, ProcessingOutputs, StorageOutputs
from pipeline_common.infra.stack_config import StackConfigError
from pipeline_common.infra.stack_references import StackOutputError
from processor_lambda.settings import PROCESSOR_HANDLER, ProcessorSettings, fields_of
from tests.infra.deployed import ENVIRONMENTS, committed_processing, processing, stack_outputs, storage
from tests.infra.iam import allows
from tests.infra.recording import ACCOUNT, REGION, Recording

FUNCTION = "aws:lambda/function:Function"
RULE = "aws:cloudwatch/eventRule:EventRule"
TARGET = "aws:cloudwatch/eventTarget:EventTarget"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"


@pytest.fixture(params=ENVIRONMENTS)
def environment(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def deployed(environment: str) -> Recording:
    return committed_processing(environment)


@pytest.fixture
def store(environment: str) -> StorageOutputs:
    return StorageOutputs.parse(storage(environment).outputs)


def outputs_of(deployed: Recording) -> ProcessingOutputs:
    return ProcessingOutputs.parse(deployed.outputs)


def settings_of(deployed: Recording) -> ProcessorSettings:
    function = deployed.named(FUNCTION, "processor").inputs
    return ProcessorSettings.from_env(function["environment"]["variables"])


# What differs between the environments


@pytest.mark.parametrize(
    ("name", "memory", "retention", "schedule", "replicas"),
    [
        ("dev", 512, 7, None, False),
        ("staging", 1024, 30, "rate(1 hour)", False),
        ("prod", 2048, 90, "rate(15 minutes)", True),
    ],
)
def test_the_environments_differ_where_their_configuration_says_so(
    name: str, memory: int, retention: int, schedule: str | None, replicas: bool
) -> None:
    deployed = committed_processing(name)
    function = deployed.named(FUNCTION, "processor").inputs
    assert (function["memorySize"], function["timeout"]) == (memory, 30)
    (logs,) = deployed.of("aws:cloudwatch/logGroup:LogGroup")
    assert logs.inputs["retentionInDays"] == retention
    schedules = [rule.inputs["scheduleExpression"] for rule in deployed.of(RULE) if rule.name == "schedule"]
    assert schedules == ([schedule] if schedule else [])
    assert settings_of(deployed).process_replicas is replicas
    assert settings_of(deployed).environment == name


def test_no_two_environments_process_the_same_bucket_or_table() -> None:
    settings = [settings_of(committed_processing(name)) for name in ENVIRONMENTS]
    assert len({one.bucket for one in settings}) == len({one.table for one in settings}) == len(ENVIRONMENTS)


# The trigger


def test_the_rule_matches_what_arrives_under_the_prefix_of_its_own_bucket_and_nothing_else(
    deployed: Recording, store: StorageOutputs
) -> None:
    rule = deployed.named(RULE, "arrivals")
    assert json.loads(rule.inputs["eventPattern"]) == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [store.bucket_name]}, "object": {"key": [{"prefix": "incoming/"}]}},
    }
    assert "eventBusName" not in rule.inputs, "S3 sends to the account's default bus"


def test_the_rule_matches_a_prefix_in_each_way_that_keys_are_written_in_events() -> None:
    deployed = processing("dev", {"processing:inputPrefix": "in box/é/"})
    pattern = json.loads(deployed.named(RULE, "arrivals").inputs["eventPattern"])
    assert pattern["detail"]["object"]["key"] == [
        {"prefix": "in box/é/"},
        {"prefix": "in%20box/%C3%A9/"},
        {"prefix": "in+box/%C3%A9/"},
    ]


def test_what_the_processor_writes_never_matches_its_own_rule(deployed: Recording) -> None:
    pattern = json.loads(deployed.named(RULE, "arrivals").inputs["eventPattern"])
    (prefix,) = (one["prefix"] for one in pattern["detail"]["object"]["key"])
    rights = rights_of(deployed)
    bucket = storage(outputs_of(deployed).environment).outputs["bucket_arn"]
    for key in (f"{prefix}file.csv", prefix, f"{prefix}results/x"):
        assert not allows(rights, "s3:PutObject", f"{bucket}/{key}"), key


def test_events_reach_the_queue_as_they_are_and_what_can_not_be_delivered_is_a_dead_letter(
    deployed: Recording, store: StorageOutputs
) -> None:
    outputs = outputs_of(deployed)
    sent = deployed.named(TARGET, "arrivals-target").inputs
    assert (sent["rule"], sent["arn"]) == (outputs.rule_name, outputs.queue_arn)
    assert sent["deadLetterConfig"] == {"arn": store.dlq_arn}
    assert sent["retryPolicy"]["maximumRetryAttempts"] == 185
    assert not {"input", "inputPath", "inputTransformer"} & set(sent), "the raw event has the raw key"


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_the_schedule_puts_a_sweep_into_the_same_queue(name: str) -> None:
    deployed = committed_processing(name)
    outputs = outputs_of(deployed)
    sent = deployed.named(TARGET, "schedule-target").inputs
    assert (sent["rule"], sent["arn"]) == (outputs.schedule_rule_name, outputs.queue_arn)
    assert json.loads(sent["input"]) == {"schema": "pipeline.processing/1", "kind": "sweep"}
    assert sent["deadLetterConfig"] == {"arn": storage(name).outputs["dlq_arn"]}


def test_without_a_schedule_there_is_no_rule_for_one() -> None:
    deployed = committed_processing("dev")
    assert [rule.name for rule in deployed.of(RULE)] == ["arrivals"]
    assert outputs_of(deployed).schedule_rule_name == ""


def test_the_queue_takes_messages_of_its_own_rules_alone(deployed: Recording) -> None:
    outputs = outputs_of(deployed)
    policy = deployed.named("aws:sqs/queuePolicy:QueuePolicy", "queue-policy").document()

    def taken(rule: str, account: str = ACCOUNT) -> bool:
        context = {"aws:SourceArn": rule, "aws:SourceAccount": account, "aws:SecureTransport": "true"}
        return allows(policy, "sqs:SendMessage", outputs.queue_arn, principal="events.amazonaws.com", context=context)

    assert taken(outputs.rule_arn)
    assert not taken(outputs.rule_arn, account="999999999999")
    assert not taken(f"arn:aws:events:{REGION}:{ACCOUNT}:rule/another")
    if outputs.schedule_rule_name:
        assert taken(f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{outputs.schedule_rule_name}")


def test_a_message_outlasts_the_functions_tries_and_then_is_a_dead_letter(
    deployed: Recording, store: StorageOutputs
) -> None:
    queue = deployed.named("aws:sqs/queue:Queue", "queue").inputs
    assert queue["visibilityTimeoutSeconds"] >= 6 * deployed.named(FUNCTION, "processor").inputs["timeout"]
    assert json.loads(queue["redrivePolicy"]) == {"deadLetterTargetArn": store.dlq_arn, "maxReceiveCount": 10}
    assert queue["messageRetentionSeconds"] == 14 * 24 * 3600


# The function


def test_the_function_knows_its_storage_its_queue_and_its_input(
    deployed: Recording, store: StorageOutputs, environment: str
) -> None:
    settings = settings_of(deployed)
    assert settings.environment == environment
    assert (settings.bucket, settings.table) == (store.bucket_name, store.table_name)
    assert (settings.queue_url, settings.dlq_url) == (outputs_of(deployed).queue_url, store.dlq_url)
    assert settings.input_prefix == "incoming/"
    assert [(field.name, field.type, field.required) for field in fields_of(settings.schema, settings.dataset)] == [
        ("id", "string", True),
        ("timestamp", "number", True),
        ("amount", "number", False),
        ("quantity", "integer", False),
        ("customer", "string", False),
    ]


def test_the_queue_invokes_the_live_alias_of_a_published_version_with_partial_failures_and_a_limit(
    deployed: Recording, environment: str
) -> None:
    mapping = deployed.named("aws:lambda/eventSourceMapping:EventSourceMapping", "mapping").inputs
    alias = deployed.named("aws:lambda/alias:Alias", "processor-live")
    assert mapping["eventSourceArn"] == outputs_of(deployed).queue_arn
    assert mapping["functionName"].endswith(":live")
    assert mapping["functionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["scalingConfig"] == {"maximumConcurrency": {"dev": 2, "staging": 5, "prod": 20}[environment]}
    assert (alias.inputs["name"], alias.inputs["functionVersion"]) == ("live", "1")
    function = deployed.named(FUNCTION, "processor").inputs
    assert function["publish"] is True
    assert function["handler"] == PROCESSOR_HANDLER
    assert (function["runtime"], function["architectures"]) == ("python3.13", ["arm64"])
    assert function["loggingConfig"]["logGroup"] == outputs_of(deployed).log_group_name


def rights_of(deployed: Recording) -> dict[str, Any]:
    return deployed.named("aws:iam/rolePolicy:RolePolicy", "processor-rights").document()


def test_the_role_may_do_what_the_processor_does_and_nothing_else(
    deployed: Recording, store: StorageOutputs, environment: str
) -> None:
    rights, outputs = rights_of(deployed), outputs_of(deployed)
    other = StorageOutputs.parse(storage("staging" if environment != "staging" else "dev").outputs)
    bucket, foreign = store.datasets["objects"].arn, other.datasets["objects"].arn
    logs = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group"
    allowed = [
        *((f"s3:{action}", f"{bucket}/incoming/a/b.csv") for action in ("GetObject", "GetObjectVersion")),
        *((f"s3:{action}Tagging", f"{bucket}/incoming/a/b.csv") for action in ("GetObject", "GetObjectVersion")),
        ("s3:GetObject", f"{bucket}/results/{environment}/latest.json"),
        *(("s3:PutObject", f"{bucket}/results/{environment}/{name}") for name in ("run.json", "latest.json")),
        ("s3:PutObject", f"{bucket}/rejected/incoming/a/b.csv.jsonl"),
        ("s3:AbortMultipartUpload", f"{bucket}/rejected/incoming/a/b.csv.jsonl"),
        *(
            (f"s3:{action}", f"{bucket}/results/{environment}/unfinished/run/piece")
            for action in ("PutObject", "GetObject", "DeleteObject")
        ),
        ("dynamodb:BatchWriteItem", store.datasets["items"].arn),
        ("dynamodb:PutItem", store.datasets["items"].arn),
        *((f"sqs:{action}", outputs.queue_arn) for action in ("ReceiveMessage", "DeleteMessage", "SendMessage")),
        *((f"sqs:{action}", outputs.queue_arn) for action in ("ChangeMessageVisibility", "GetQueueAttributes")),
        ("sqs:SendMessage", store.dlq_arn),
        ("logs:CreateLogStream", f"{logs}:{outputs.log_group_name}:log-stream:one"),
        ("logs:PutLogEvents", f"{logs}:{outputs.log_group_name}:log-stream:one"),
    ]
    another_results = "results/prod/x.json" if environment != "prod" else "results/dev/x.json"
    denied = [
        *((f"s3:{action}", f"{bucket}/incoming/a.csv") for action in ("PutObject", "DeleteObject")),
        *((f"s3:{action}", f"{bucket}/incoming/a.csv") for action in ("DeleteObjectVersion", "PutObjectTagging")),
        *((f"s3:{action}", f"{bucket}/elsewhere/a.csv") for action in ("GetObject", "GetObjectVersion", "PutObject")),
        *((f"s3:{action}", f"{bucket}/{another_results}") for action in ("PutObject", "GetObject", "DeleteObject")),
        *((f"s3:{action}", f"{bucket}/results/{environment}/x.json") for action in ("DeleteObject", "PutObjectAcl")),
        *((f"s3:{action}", f"{foreign}/incoming/a.csv") for action in ("GetObject", "PutObject")),
        ("s3:PutObject", f"{foreign}/results/{environment}/x.json"),
        ("s3:ListBucket", foreign),
        ("s3:DeleteBucket", bucket),
        ("s3:PutBucketPolicy", bucket),
        *(
            (f"dynamodb:{action}", store.datasets["items"].arn)
            for action in ("DeleteItem", "Scan", "Query", "GetItem", "DeleteTable")
        ),
        *((f"dynamodb:{action}", other.datasets["items"].arn) for action in ("PutItem", "BatchWriteItem")),
        *((f"sqs:{action}", store.dlq_arn) for action in ("ReceiveMessage", "DeleteMessage", "PurgeQueue")),
        *((f"sqs:{action}", outputs.queue_arn) for action in ("PurgeQueue", "DeleteQueue", "SetQueueAttributes")),
        ("sns:Publish", store.failure_topic_arn),
        ("lambda:InvokeFunction", outputs.lambda_function_arn),
        ("logs:PutLogEvents", f"{logs}:another:log-stream:one"),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/any"),
    ]
    assert [call for call in allowed if not allows(rights, *call)] == []
    assert [call for call in denied if allows(rights, *call)] == []


def test_an_object_that_is_not_there_is_told_from_one_that_is_denied_by_a_right_without_conditions(
    deployed: Recording, store: StorageOutputs
) -> None:
    # S3 answers 404 instead of 403 to who has the right to list; what a condition on the prefix makes of a head, which
    # has none, AWS does not say.
    assert [
        (statement["Resource"], statement.get("Condition"))
        for statement in rights_of(deployed)["Statement"]
        if "s3:ListBucket" in statement["Action"]
    ] == [([store.datasets["objects"].arn], None)]


def test_no_statement_of_the_role_has_a_wildcard_but_at_the_end_of_a_prefix(deployed: Recording) -> None:
    for statement in rights_of(deployed)["Statement"]:
        assert not [action for action in statement["Action"] if "*" in action], statement["Sid"]
        for resource in statement["Resource"]:
            assert "*" not in resource.removesuffix("/*").removesuffix(":*"), resource
            assert resource != "*"


def test_a_prefix_with_a_policys_own_characters_grants_itself_alone() -> None:
    deployed = processing("dev", {"processing:inputPrefix": "in*/"})
    rights, bucket = rights_of(deployed), storage("dev").outputs["bucket_arn"]
    assert allows(rights, "s3:GetObject", f"{bucket}/in*/a.csv")
    assert not allows(rights, "s3:GetObject", f"{bucket}/inner/a.csv")


# Alarms and the dashboard


def test_what_somebody_has_to_look_at_alarms(deployed: Recording, store: StorageOutputs) -> None:
    outputs = outputs_of(deployed)
    function, queue = {"FunctionName": outputs.lambda_function_name}, {"QueueName": outputs.queue_name}
    alarms = {
        one.name: (one.inputs["namespace"], one.inputs["metricName"], one.inputs["dimensions"])
        for one in deployed.of(ALARM)
    }
    assert alarms == {
        "processor-errors": ("AWS/Lambda", "Errors", function),
        "processor-throttles": ("AWS/Lambda", "Throttles", function),
        "duration": ("AWS/Lambda", "Duration", function),
        "queue-age": ("AWS/SQS", "ApproximateAgeOfOldestMessage", queue),
    }
    errors = deployed.named(ALARM, "processor-errors").inputs
    assert (errors["threshold"], errors["period"], errors["statistic"]) == (5, 300, "Sum")
    assert deployed.named(ALARM, "duration").inputs["threshold"] == 24_000  # 80 % of 30 s, in milliseconds
    suffix = outputs.queue_name.rpartition("-")[2]
    told = [*(f"{name}-{suffix}" for name in alarms), store.dlq_alarm_name]
    assert sorted(outputs.alarm_names.split(",")) == sorted(told)


def test_thresholds_are_the_configurations() -> None:
    deployed = processing(
        "dev",
        {
            "processing:errorsAlarmCount": 6,
            "processing:throttlesAlarmCount": 7,
            "processing:durationAlarmPercent": 50,
            "processing:timeoutSeconds": 60,
            "processing:queueAgeAlarmSeconds": 777,
        },
    )
    thresholds = {one.name: one.inputs["threshold"] for one in deployed.of(ALARM)}
    assert thresholds == {
        "processor-errors": 6,
        "processor-throttles": 7,
        "duration": 30_000,
        "queue-age": 777,
    }


def test_the_dashboard_shows_the_alarms_the_function_and_both_queues(
    deployed: Recording, store: StorageOutputs, environment: str
) -> None:
    outputs = outputs_of(deployed)
    (dashboard,) = deployed.of("aws:cloudwatch/dashboard:Dashboard")
    assert dashboard.inputs["dashboardName"] == outputs.dashboard_name == f"processing-{environment}"
    widgets = json.loads(dashboard.inputs["dashboardBody"])["widgets"]
    alarms, *graphs = widgets
    letters = storage(environment).named(ALARM, "dead-letters").arn
    assert alarms["properties"]["alarms"][-1] == letters
    assert len(alarms["properties"]["alarms"]) == len(deployed.of(ALARM)) + 1
    shown = {part for graph in graphs for metric in graph["properties"]["metrics"] for part in metric[2:4]}
    assert {outputs.lambda_function_name, outputs.queue_name, store.dlq_url.rpartition("/")[2]} <= shown
    places = [(widget["x"], widget["y"]) for widget in widgets]
    assert len(set(places)) == len(places)
    assert all(widget["x"] + widget["width"] <= 24 for widget in widgets)


# Contracts


def test_the_outputs_are_the_contract_and_nothing_else(deployed: Recording, environment: str) -> None:
    contract = outputs_of(deployed)
    assert contract.exports() == deployed.outputs
    assert all(isinstance(value, str | bool) for value in deployed.outputs.values())
    assert contract.process_replicas is (environment == "prod")
    assert contract.environment == environment


def test_a_preview_reads_the_storage_and_registers_the_same_resources(deployed: Recording, environment: str) -> None:
    previewed = processing(environment, preview=True)
    assert {(one.type, one.name) for one in previewed.resources()} == {
        (one.type, one.name) for one in deployed.resources()
    }
    pattern = previewed.named(RULE, "arrivals").inputs["eventPattern"]
    assert storage(environment).outputs["bucket_name"] in pattern


@pytest.mark.parametrize("preview", [False, True])
def test_storage_without_an_output_is_named_with_the_command_that_deploys_it(preview: bool) -> None:
    outputs = {**stack_outputs(), "organization/storage/dev": {"environment": "dev"}}
    with pytest.raises(StackOutputError, match="organization/storage/dev has no output 'region'") as caught:
        processing("dev", stacks=outputs, preview=preview)
    assert "Deploy storage of dev first" in str(caught.value)


def test_storage_that_a_former_release_deployed_is_to_be_deployed_first() -> None:
    former = {name: value for name, value in storage("dev").outputs.items() if name != "dlq_alarm_name"}
    with pytest.raises(StackOutputError, match=r"has no output 'dlq_alarm_name'.* Deploy storage of dev first"):
        processing("dev", stacks={**stack_outputs(), "organization/storage/dev": former})


def test_a_contract_is_not_parsed_from_outputs_that_lack_one_of_its_own() -> None:
    outputs = {name: value for name, value in committed_processing("dev").outputs.items() if name != "queue_url"}
    with pytest.raises(MissingOutputError, match="queue_url"):
        ProcessingOutputs.parse(outputs)


def with_another_table(key: list[dict[str, str]]) -> dict[str, Any]:
    """Return the storages' outputs, dev's with a bucket and a table more."""
    arn = "arn:aws:dynamodb:us-east-1:123456789012:table/orders-1"
    more = {
        "files": {"kind": "bucket", "name": "files-1", "arn": "arn:aws:s3:::files-1"},
        "orders": {"kind": "table", "name": "orders-1", "arn": arn, "stream_arn": f"{arn}/stream/1", "key": key},
    }
    dev = stack_outputs()["organization/storage/dev"]
    return {**stack_outputs(), "organization/storage/dev": {**dev, "datasets": {**dev["datasets"], **more}}}


def test_the_datasets_that_are_read_and_written_are_chosen_by_name() -> None:
    stacks = with_another_table([{"name": "pk", "type": "B"}])
    deployed = processing("dev", {"processing:bucket": "files", "processing:table": "orders"}, stacks=stacks)
    settings = settings_of(deployed)
    assert (settings.bucket, settings.table) == ("files-1", "orders-1")
    assert [(field.name, field.type) for field in fields_of(settings.schema, settings.dataset)][:2] == [
        ("pk", "binary"),
        ("amount", "number"),
    ]
    outputs = outputs_of(deployed)
    assert (outputs.bucket_name, outputs.table_name) == ("files-1", "orders-1")
    rights = rights_of(deployed)
    assert allows(rights, "dynamodb:PutItem", stacks["organization/storage/dev"]["datasets"]["orders"]["arn"])
    assert not allows(rights, "dynamodb:PutItem", storage("dev").outputs["table_arn"])
    assert '"files-1"' in deployed.named(RULE, "arrivals").inputs["eventPattern"]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ({"name": "amount", "type": "S"}, "the field 'amount' is a key of the table and of the type string"),
        ({"name": "environment", "type": "S"}, "has 'environment', which the processor sets itself"),
    ],
)
def test_a_schema_that_does_not_go_with_the_tables_key_is_refused(key: dict[str, str], said: str) -> None:
    with pytest.raises(StackConfigError, match=f"^projects/processing/Pulumi.dev.yaml: processing:schema: .*{said}"):
        processing("dev", {"processing:table": "orders"}, stacks=with_another_table([key]))
