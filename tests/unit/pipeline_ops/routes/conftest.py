"""A replication whose stores, queues, metrics and alarms are moto's, and whose functions are a stand-in."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipeline_common.contracts import ReplicationOutputs, RouteOutputs, StorageOutputs, StoredDataset
from pipeline_ops.routes.dead_letters import DeadLetterQueue
from pipeline_ops.routes.route import SourceRoutes
from pipeline_ops.where import AWS, Where
from replication_core.changes import Change, parse
from replication_core.clients import Clients
from replication_core.datasets import ITEMS, OBJECTS, Dataset
from replication_core.replicator import Replicator, build_replicator
from replication_core.route_spec import RoutedDataset, RouteSpec
from tests.made_datasets import table_definition
from tests.made_route import MadeRoute
from tests.moto_segments import binary_segments

REGION = "us-east-1"


@dataclass
class Functions:
    """Lambda: mappings that change slowly, and a function that answers as it is told."""

    states: list[str] = field(default_factory=lambda: ["Enabled"])
    """What a mapping is, each look's; the last one stays."""

    asked: list[Any] = field(default_factory=list)
    told: Any = None
    error: str | None = None
    version: str = "7"
    timeout: int = 1
    description: str = "Makes it equal to its source (v1.4.0)"
    variables: dict[str, dict[str, str]] = field(default_factory=dict)
    """A function's environment, by its alias's ARN: in the first release, what its route is."""

    mappings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What is told of a mapping besides its state, by its id; a state of its own is told always."""

    def get_function(self, *, FunctionName: str) -> Any:  # noqa: N803 - boto3's own name
        variables = self.variables.get(FunctionName)
        told = {} if variables is None else {"Environment": {"Variables": variables}}
        known = {"Version": self.version, "Description": self.description, "Timeout": self.timeout}
        return {"Configuration": {**known, **told}}

    def get_event_source_mapping(self, *, UUID: str) -> Any:  # noqa: N803 - boto3's own name
        told = self.mappings.get(UUID, {})
        if "State" in told:
            return told
        return {"State": self.states.pop(0) if len(self.states) > 1 else self.states[0], **told}

    def update_event_source_mapping(self, **wanted: Any) -> None:
        self.asked.append(wanted)

    def invoke(self, **call: Any) -> Any:
        self.asked.append({**call, "Payload": json.loads(call["Payload"])})
        answer = {"Payload": io.BytesIO(json.dumps(self.told).encode())}
        return {**answer, "FunctionError": self.error} if self.error else answer


@dataclass
class World:
    specs: dict[str, Mapping[str, Any]]
    """Each route's specification in the contract; empty in the first release's."""

    holds: dict[str, Mapping[str, str]]
    """What the contract tells of the routes that are held."""

    deployed: Callable[[Mapping[str, Mapping[str, Any]], Where], SourceRoutes]
    dead_letters: DeadLetterQueue
    functions: Functions
    sqs: Any
    cloudwatch: Any
    s3: Any
    dynamodb: Any
    events: Any
    settings: MadeRoute
    """What the route to dev is made of."""

    dlq: str

    @property
    def replication(self) -> SourceRoutes:
        """What a command reads of the contracts."""
        return self.replication_at(AWS)

    def replication_at(self, where: Where) -> SourceRoutes:
        return self.deployed(self.specs, where)

    def change(self, target: str, **changed: Any) -> RouteSpec:
        """Have a route be of another specification, which differs so from the one that the route to dev has."""
        spec = replace(self.settings, target=target, queue_url=self.url(target), **changed).spec
        self.specs[target] = spec.document()
        return spec

    def add(self, *datasets: Dataset) -> None:
        """Have the source and dev have these datasets too, and the route to dev replicate them."""
        routed = []
        for dataset in datasets:
            names = [f"{side}-{dataset.name}" for side in ("prod", "dev")]
            for name in names:
                _make(self.s3, self.dynamodb, dataset, name)
            routed.append(RoutedDataset(dataset=dataset, source=names[0], target=names[1]))
        self.settings = replace(self.settings, others=tuple(routed))
        spec = self.change("dev")
        self.dead_letters = replace(self.dead_letters, source=spec)

    def url(self, target: str) -> str:
        return self.dead_letters.urls[target]

    def put(self, key: str, body: bytes = b"body", *, bucket: str = "prod-data", **options: Any) -> None:
        self.s3.put_object(Bucket=bucket, Key=key, Body=body, **options)

    def put_item(self, id_: str, timestamp: str = "1", *, table: str = "prod-data", **attributes: Any) -> None:
        item = {"id": {"S": id_}, "timestamp": {"N": timestamp}, **attributes}
        self.dynamodb.put_item(TableName=table, Item=item)

    def replicator(self, target: str = "dev") -> Replicator:
        """What a route has in its function."""
        clients = Clients(
            source_s3=self.s3,
            target_s3=self.s3,
            copying_s3=self.s3,
            source_dynamodb=self.dynamodb,
            target_dynamodb=self.dynamodb,
            sqs=self.sqs,
            sns=self.sqs,
        )
        return build_replicator(replace(self.settings, target=target).spec, clients, threads=4, part_threads=2)

    def notices(self, target: str = "dev") -> list[Change]:
        """Take every notice out of a route's queue."""
        bodies = self.bodies(self.url(target))
        return [change for body in bodies for change in parse(body, self.settings.spec)]

    def work_off(self) -> None:
        """Do what the route to dev does with what is in its queue."""
        self.replicator().reconcile([notice.key for notice in self.notices()])

    def bodies(self, url: str) -> list[str]:
        """Take every message out of a queue."""
        taken: list[str] = []
        while messages := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                taken.append(message["Body"])
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return sorted(taken)


def stored(name: str) -> dict[str, StoredDataset]:
    """Return the datasets that there are by default, whose bucket and table have this name."""
    return {each.name: StoredDataset(dataset=each, name=name, arn="unused") for each in (OBJECTS, ITEMS)}


@cache
def _session() -> Any:
    # One for all tests: each reads its services' descriptions anew, a tenth of a second of work.
    return boto3.session.Session(region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing")


@pytest.fixture
def world() -> Iterator[World]:
    with mock_aws(), binary_segments():
        made = {
            name: _session().client(name)
            for name in ("sqs", "cloudwatch", "sts", "s3", "dynamodb", "events", "cloudtrail", "backup", "kms")
        }
        made["lambda"] = functions = Functions()
        urls = {name: made["sqs"].create_queue(QueueName=name)["QueueUrl"] for name in ("dev", "staging", "dlq")}
        arns = {
            name: made["sqs"].get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            for name, url in urls.items()
        }
        source: Any = {each.name: each.name for each in fields(StorageOutputs)}
        source |= {"environment": "prod", "suffix": "", "region": REGION, "dlq_url": urls["dlq"]}
        source |= {"datasets": stored("prod-data")}
        outputs: Any = {each.name: each.name for each in fields(ReplicationOutputs)}
        outputs |= {"rule_name": "", "trail_name": "", "notifier_mappings": {"items": "notifier-of-items"}}

        holds: dict[str, Mapping[str, str]] = {}

        def route_outputs(target: str, spec: Mapping[str, Any]) -> RouteOutputs:
            told: Any = {each.name: f"{target}-{each.name}" for each in fields(RouteOutputs)}
            told |= {"queue_url": urls[target], "queue_arn": arns[target], "alias_arn": f"{target}:live"}
            return RouteOutputs(**told | {"spec": spec, "version": "7", "held": holds.get(target, {})})

        def client(service: str, /, *, region: str, config: object = None) -> Any:
            assert region == REGION
            return made[service]

        def target_storage(target: str) -> StorageOutputs:
            # Both routes' functions write to the same stores here.
            return StorageOutputs(**source | {"environment": target, "datasets": stored("dev-data")})

        def deployed(specs: Mapping[str, Mapping[str, Any]], where: Where) -> SourceRoutes:
            told = {target: route_outputs(target, spec) for target, spec in specs.items()}
            contract = ReplicationOutputs(**outputs | {"routes": told})
            return SourceRoutes.of(StorageOutputs(**source), contract, client, target_storage, where)

        for name in ("prod-data", "dev-data"):
            for dataset in (OBJECTS, ITEMS):
                _make(made["s3"], made["dynamodb"], dataset, name)
        settings = MadeRoute(
            target="dev",
            source_environment="prod",
            source_bucket="prod-data",
            source_table="prod-data",
            source_region=REGION,
            target_bucket="dev-data",
            target_table="dev-data",
            target_region=REGION,
            queue_url=urls["dev"],
            dlq_url=urls["dlq"],
            success_topic_arn="arn:aws:sns:us-east-1:123456789012:success",
            failure_topic_arn="arn:aws:sns:us-east-1:123456789012:failure",
        )
        staging = replace(settings, target="staging", queue_url=urls["staging"])
        routes = {"dev": settings.spec, "staging": staging.spec}
        _capture(made, arns)
        dlq = urls.pop("dlq")
        letters = DeadLetterQueue(
            environment="prod",
            url=dlq,
            region=REGION,
            client=client,
            urls=urls,
            names={arns[target]: target for target in urls},
            source=settings.spec,
        )
        yield World(
            specs={target: spec.document() for target, spec in routes.items()},
            holds=holds,
            deployed=deployed,
            dead_letters=letters,
            functions=functions,
            sqs=made["sqs"],
            cloudwatch=made["cloudwatch"],
            s3=made["s3"],
            dynamodb=made["dynamodb"],
            events=made["events"],
            settings=settings,
            dlq=dlq,
        )


def _capture(made: dict[str, Any], arns: dict[str, str]) -> None:
    """Have changes of production noticed, as its stacks do."""
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": ["prod-data"]}}}
    for target in ("dev", "staging"):
        made["events"].put_rule(Name=f"{target}-rule_name", EventPattern=json.dumps(pattern))
        made["events"].put_targets(Rule=f"{target}-rule_name", Targets=[{"Id": target, "Arn": arns[target]}])
    # moto takes it, and does not tell it.
    made["s3"].get_bucket_notification_configuration = lambda **_: {"EventBridgeConfiguration": {}}
    stream = made["dynamodb"].describe_table(TableName="prod-data")["Table"]["LatestStreamArn"]
    mappings = {"notifier-of-items": {"State": "Enabled", "EventSourceArn": stream}}
    for target in ("dev", "staging"):
        mappings[f"{target}-event_source_mapping_id"] = {"EventSourceArn": arns[target]}
    made["lambda"].mappings = mappings


def _make(s3: Any, dynamodb: Any, dataset: Dataset, name: str) -> None:
    if dataset.is_bucket:
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return
    stream = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    dynamodb.create_table(TableName=name, StreamSpecification=stream, **table_definition(dataset))
