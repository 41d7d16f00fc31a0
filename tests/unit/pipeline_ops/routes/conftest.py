"""A replication whose queues, metrics and alarms are moto's, and whose functions are a stand-in."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipeline_common.contracts import ReplicationOutputs, RouteOutputs, StorageOutputs
from pipeline_ops.routes.dead_letters import Routing
from pipeline_ops.routes.route import Replication

REGION = "us-east-1"


@dataclass
class Functions:
    """Lambda: mappings that change slowly, and a function that answers as it is told."""

    states: list[str] = field(default_factory=lambda: ["Enabled"])
    """What a mapping is, each look's; the last one stays."""

    asked: list[Any] = field(default_factory=list)
    told: Any = None
    error: str | None = None

    def get_event_source_mapping(self, **_: Any) -> Any:
        return {"State": self.states.pop(0) if len(self.states) > 1 else self.states[0]}

    def update_event_source_mapping(self, **wanted: Any) -> None:
        self.asked.append(wanted)

    def get_alias(self, **_: Any) -> Any:
        return {"FunctionVersion": "7"}

    def invoke(self, **call: Any) -> Any:
        self.asked.append({**call, "Payload": json.loads(call["Payload"])})
        answer = {"Payload": io.BytesIO(json.dumps(self.told).encode())}
        return {**answer, "FunctionError": self.error} if self.error else answer


@dataclass
class World:
    replication: Replication
    routing: Routing
    functions: Functions
    sqs: Any
    cloudwatch: Any

    @property
    def dlq(self) -> str:
        return self.replication.source.dlq_url

    def url(self, target: str) -> str:
        return self.routing.urls[target]

    def bodies(self, url: str) -> list[str]:
        """Take every message out of a queue."""
        taken: list[str] = []
        while messages := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                taken.append(message["Body"])
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return sorted(taken)


@pytest.fixture
def world() -> Iterator[World]:
    with mock_aws():
        keys = {"region_name": REGION, "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        made: dict[str, Any] = {name: boto3.client(name, **keys) for name in ("sqs", "cloudwatch", "sts")}  # type: ignore[call-overload]
        made["lambda"] = functions = Functions()
        urls = {name: made["sqs"].create_queue(QueueName=name)["QueueUrl"] for name in ("dev", "staging", "dlq")}
        arns = {
            name: made["sqs"].get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            for name, url in urls.items()
        }
        source: Any = {each.name: each.name for each in fields(StorageOutputs)}
        source |= {"environment": "prod", "region": REGION, "dlq_url": urls["dlq"]}
        outputs: Any = {each.name: each.name for each in fields(ReplicationOutputs)}
        outputs["routes"] = {
            target: RouteOutputs(
                **{each.name: f"{target}-{each.name}" for each in fields(RouteOutputs)}
                | {"queue_url": urls[target], "queue_arn": arns[target], "alias_arn": "a:live"}
            )
            for target in ("dev", "staging")
        }

        def client(service: str, /, *, region: str, config: object = None) -> Any:
            assert region == REGION
            return made[service]

        replication = Replication.of(StorageOutputs(**source), ReplicationOutputs(**outputs), client)
        del urls["dlq"]
        routing = Routing(urls=urls, names={arns[target]: target for target in urls})
        yield World(replication, routing, functions, made["sqs"], made["cloudwatch"])
