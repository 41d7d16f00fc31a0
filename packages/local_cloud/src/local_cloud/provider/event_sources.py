"""Lambda's event source mappings: which queue's or stream's records a function is given, and how."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.resource import (
    TAG_MAP,
    Calls,
    RefusedError,
    Resource,
    ResourceUpdate,
    Tagging,
    wait_until,
)
from local_cloud.provider.schema import Block, Document, Flag, Integer, ListOf, Properties, Refusal, Text

__all__ = ["EventSourceMapping"]

# All limits: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html, the maximum concurrency
# also https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
_MOST_RECORDS_WITHOUT_WINDOW = 10
_QUEUE_BATCH = 10
_STREAM_BATCH = 100
_FOREVER = -1
_YOUNGEST = 60

_STREAM_ONLY = (
    "bisectBatchOnFunctionError",
    "maximumRetryAttempts",
    "maximumRecordAgeInSeconds",
    "parallelizationFactor",
    "startingPosition",
    "destinationConfig",
)


def _record_age(value: int) -> str | None:
    return None if value == _FOREVER or value >= _YOUNGEST else f"{value} s: AWS takes -1 (for ever) or 60 to 604800"


class EventSourceMapping(Resource, module="lambda"):
    """A mapping from an SQS queue or a DynamoDB stream to a function, or to its alias; its id is its UUID."""

    properties: ClassVar = {
        "eventSourceArn": Text(required=True, replaces=True),
        "functionName": Text(required=True),
        "enabled": Flag(default=True),
        "batchSize": Integer(1, 10000),
        "maximumBatchingWindowInSeconds": Integer(0, 300, default=0),
        "functionResponseTypes": ListOf(Text(("ReportBatchItemFailures",)), most=1),
        "scalingConfig": Block({"maximumConcurrency": Integer(2, 1000)}),
        "startingPosition": Text(("LATEST", "TRIM_HORIZON"), replaces=True),
        "bisectBatchOnFunctionError": Flag(implied=False),
        "maximumRetryAttempts": Integer(_FOREVER, 10000, implied=_FOREVER),
        "maximumRecordAgeInSeconds": Integer(_FOREVER, 604800, implied=_FOREVER, rules=(_record_age,)),
        "parallelizationFactor": Integer(1, 10, implied=1),
        "destinationConfig": Block({"onFailure": Block({"destinationArn": Text(required=True, api="Destination")})}),
        # 5 filters: https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
        "filterCriteria": Block(
            {"filters": ListOf(Block({"pattern": Document(rules=(rules.at_most(4096),))}), most=5)}
        ),
        "tags": TAG_MAP,
    }
    # `lastProcessingResult` is left out: it changes by itself, and every refresh would tell of it.
    outputs: ClassVar = {
        "arn": "EventSourceMappingArn",
        "uuid": "UUID",
        "functionArn": "FunctionArn",
        "state": "State",
        "stateTransitionReason": "StateTransitionReason",
        "lastModified": "LastModified",
    }
    calls = Calls(
        "UUID",
        create="create_event_source_mapping",
        made="UUID",
        read="get_event_source_mapping",
        remove="delete_event_source_mapping",
    )
    tagging = Tagging(owner="Resource", by_arn=True, read="list_tags")
    renewed: ClassVar = {
        "functionArn": frozenset({"functionName"}),
        "state": frozenset({"enabled"}),
        "lastModified": frozenset(properties) - {"tags"},
    }

    @classmethod
    def deletes_first(cls, olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
        """Say yes for the same source and function: AWS has one mapping for both."""
        return all(olds.get(name) == news.get(name) for name in ("eventSourceArn", "functionName"))

    def check(self, inputs: Mapping[str, Any]) -> Iterator[Refusal]:
        """Refuse what the kind of source doesn't have."""
        source = inputs["eventSourceArn"]
        if not isinstance(source, str):
            return
        if _service(source) == "sqs":
            yield from self._check_queue(inputs)
        elif _service(source) == "dynamodb":
            if "startingPosition" not in inputs:
                yield Refusal("startingPosition", "a stream is read from LATEST or from TRIM_HORIZON")
            if "scalingConfig" in inputs:
                yield Refusal("scalingConfig", "only a queue's mapping has a maximum concurrency")
        else:
            yield Refusal("eventSourceArn", f"the local stand-in maps SQS queues and DynamoDB streams, not {source}")

    def _check_queue(self, inputs: Mapping[str, Any]) -> Iterator[Refusal]:
        for name in _STREAM_ONLY:
            if name in inputs:
                yield Refusal(name, "a queue's mapping has none: only a stream's")
        size, window = inputs.get("batchSize"), inputs["maximumBatchingWindowInSeconds"]
        if isinstance(size, int) and size > _MOST_RECORDS_WITHOUT_WINDOW and window == 0:
            yield Refusal("maximumBatchingWindowInSeconds", f"a batch of {size} messages needs a window of 1 s or more")

    def create(self, inputs: Mapping[str, Any]) -> str:
        self._refuse_what_aws_would(inputs)
        return super().create(inputs)

    def complete(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Wait until the mapping is enabled, or disabled as wanted."""
        self._wait(identifier)

    def live(self, identifier: str) -> Properties | None:
        mapping = self.api.get_event_source_mapping(UUID=identifier)
        if mapping["State"] == "Deleting":
            return None
        told = self.told({"EventSourceMappingArn": self._arn(mapping, identifier), **mapping})
        if "batchSize" not in self.given and told.get("batchSize") == _batch_size(mapping["EventSourceArn"]):
            del told["batchSize"]
        return {
            "startingPosition": self.known.get("startingPosition"),
            **told,
            "functionName": self._function_name(mapping["FunctionArn"]),
            "enabled": mapping["State"] in {"Enabled", "Enabling", "Creating"},
        }

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        self._refuse_short_visibility(change.news)
        inputs = {"batchSize": _batch_size(change.news["eventSourceArn"]), **change.news}
        self.api.update_event_source_mapping(UUID=identifier, **self.request(inputs, change.names))
        self._wait(identifier)

    def remove(self, identifier: str) -> None:
        super().remove(identifier)
        self.wait_until_gone(identifier)

    def _refuse_what_aws_would(self, inputs: Mapping[str, Any]) -> None:
        self._refuse_short_visibility(inputs)
        source, function = inputs["eventSourceArn"], inputs["functionName"]
        others = self.api.list_event_source_mappings(EventSourceArn=source, FunctionName=function)
        # ResourceConflictException: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
        for other in others["EventSourceMappings"]:
            raise RefusedError(f"{source} is mapped to {function} already, by {other['UUID']}")

    def _refuse_short_visibility(self, inputs: Mapping[str, Any]) -> None:
        # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html: a message that is still worked on
        # must not become visible. Lambda refuses it, and asks for six times the timeout.
        source = inputs["eventSourceArn"]
        if _service(source) != "sqs":
            return
        region, _, name = source.split(":")[3:6]
        sqs = self.session.client("sqs", region)
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
        visibility = int(answer["Attributes"]["VisibilityTimeout"])
        # Not GetFunctionConfiguration: LocalStack finds no alias by it.
        timeout = int(self.api.get_function(FunctionName=inputs["functionName"])["Configuration"]["Timeout"])
        if visibility < timeout:
            raise RefusedError(
                f"the visibility timeout of the queue {name} is {visibility} s, less than the {timeout} s timeout of "
                f"{inputs['functionName']}: AWS refuses the event source mapping"
            )

    def _function_name(self, arn: str) -> str:
        known = str(self.known.get("functionName", ""))
        return known if known == arn or arn.endswith(f":function:{known}") else arn

    def _arn(self, mapping: Mapping[str, Any], identifier: str) -> str:
        return f"{mapping['FunctionArn'].split(':function:')[0]}:event-source-mapping:{identifier}"

    def _wait(self, identifier: str) -> None:
        wait_until(
            lambda: self.api.get_event_source_mapping(UUID=identifier)["State"] in {"Enabled", "Disabled"},
            f"the event source mapping {identifier} is enabled or disabled",
        )


def _batch_size(source: str) -> int:
    return _QUEUE_BATCH if _service(source) == "sqs" else _STREAM_BATCH


def _service(arn: str) -> str:
    return arn.split(":")[2] if arn.count(":") >= 5 else ""  # noqa: PLR2004 - the parts of an ARN
