"""Lambda's event source mappings: which queue's or stream's records a function is given, and how."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.resource import (
    TAGS,
    RefusedError,
    Resource,
    ResourceUpdate,
    Tagging,
    found,
    pascal,
    wait_until,
)
from local_cloud.provider.schema import Block, Document, Flag, Integer, ListOf, Properties, Property, Refusal, Text

__all__ = ["EventSourceMapping"]

# All limits: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html, the maximum concurrency
# also https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
_MOST_RECORDS_WITHOUT_WINDOW = 10
_QUEUE_BATCH = 10
_STREAM_BATCH = 100
_FOREVER = -1
_YOUNGEST = 60

# What Lambda takes where nothing is given.
_DEFAULTS: Mapping[str, Any] = {
    "functionResponseTypes": [],
    "scalingConfig": {},
    "bisectBatchOnFunctionError": False,
    "maximumRetryAttempts": _FOREVER,
    "maximumRecordAgeInSeconds": _FOREVER,
    "parallelizationFactor": 1,
}
_PLAIN = frozenset({*_DEFAULTS, "functionName", "enabled", "batchSize", "maximumBatchingWindowInSeconds"})

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


class EventSourceMapping(Resource):
    """A mapping from an SQS queue or a DynamoDB stream to a function, or to its alias."""

    type_name = "aws:lambda/eventSourceMapping:EventSourceMapping"
    service = "lambda"
    properties: ClassVar = {
        "eventSourceArn": Property(kind=Text(), required=True, replaces=True),
        "functionName": Property(kind=Text(), required=True),
        "enabled": Property(kind=Flag(), default=True),
        "batchSize": Property(kind=Integer(1, 10000)),
        "maximumBatchingWindowInSeconds": Property(kind=Integer(0, 300), default=0),
        "functionResponseTypes": Property(kind=ListOf(Text(("ReportBatchItemFailures",)), most=1)),
        "scalingConfig": Property(kind=Block({"maximumConcurrency": Property(kind=Integer(2, 1000))})),
        "startingPosition": Property(kind=Text(("LATEST", "TRIM_HORIZON")), replaces=True),
        "bisectBatchOnFunctionError": Property(kind=Flag()),
        "maximumRetryAttempts": Property(kind=Integer(_FOREVER, 10000)),
        "maximumRecordAgeInSeconds": Property(kind=Integer(_FOREVER, 604800), rules=(_record_age,)),
        "parallelizationFactor": Property(kind=Integer(1, 10)),
        "destinationConfig": Property(
            kind=Block({"onFailure": Property(kind=Block({"destinationArn": Property(kind=Text(), required=True)}))})
        ),
        # 5 filters: https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
        "filterCriteria": Property(
            kind=Block(
                {
                    "filters": Property(
                        kind=ListOf(Block({"pattern": Property(kind=Document(), rules=(rules.at_most(4096),))}), most=5)
                    )
                }
            )
        ),
        "tags": TAGS,
    }
    # `lastProcessingResult` is left out: it changes by itself, and every refresh would tell of it.
    outputs = ("arn", "uuid", "functionArn", "state", "stateTransitionReason", "lastModified")
    gone = ("ResourceNotFoundException",)
    tagging = Tagging(owner="Resource", by_arn=True, written=dict)
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
        """Create the mapping; the id is its UUID."""
        self._refuse_what_aws_would(inputs)
        wanted = self._wanted(inputs, inputs)
        wanted |= pascal({name: inputs.get(name) for name in ("eventSourceArn", "startingPosition", "tags")})
        return str(self.api.create_event_source_mapping(**wanted)["UUID"])

    def complete(self, identifier: str, inputs: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Wait until the mapping is enabled, or disabled as wanted."""
        self._wait(identifier)

    def live(self, identifier: str) -> Properties | None:
        """Read the mapping and its tags."""
        mapping = self.api.get_event_source_mapping(UUID=identifier)
        if mapping["State"] == "Deleting":
            return None
        arn = mapping.get("EventSourceMappingArn") or self._arn(mapping, identifier)
        destination = (mapping.get("DestinationConfig") or {}).get("OnFailure", {}).get("Destination")
        filters = (mapping.get("FilterCriteria") or {}).get("Filters") or []
        scaling = (mapping.get("ScalingConfig") or {}).get("MaximumConcurrency")
        return {
            "eventSourceArn": mapping["EventSourceArn"],
            "functionName": self._function_name(mapping["FunctionArn"]),
            "enabled": mapping["State"] in {"Enabled", "Enabling", "Creating"},
            "maximumBatchingWindowInSeconds": mapping.get("MaximumBatchingWindowInSeconds", 0),
            "startingPosition": mapping.get("StartingPosition") or self.known.get("startingPosition"),
            "destinationConfig": {"onFailure": {"destinationArn": destination}} if destination else None,
            "filterCriteria": {"filters": [{"pattern": each["Pattern"]} for each in filters]},
            **self._told_defaults(mapping),
            "scalingConfig": {"maximumConcurrency": scaling},
            "tags": self.api.list_tags(Resource=arn).get("Tags", {}),
            "arn": arn,
            "uuid": identifier,
            "functionArn": mapping["FunctionArn"],
            "state": mapping["State"],
            "stateTransitionReason": mapping.get("StateTransitionReason"),
            "lastModified": mapping["LastModified"].isoformat(),
        }

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        """Change what differs."""
        self._refuse_short_visibility(change.news)
        self.api.update_event_source_mapping(UUID=identifier, **self._wanted(change.news, change.names))
        self._wait(identifier)

    def remove(self, identifier: str) -> None:
        """Delete the mapping and wait until it is gone, so that its source and its function can go too."""
        self.api.delete_event_source_mapping(UUID=identifier)
        wait_until(
            lambda: found(self.api.get_event_source_mapping, *self.gone, UUID=identifier) is None,
            f"the event source mapping {identifier} is gone",
        )

    def _refuse_what_aws_would(self, inputs: Mapping[str, Any]) -> None:
        self._refuse_short_visibility(inputs)
        others = self.api.list_event_source_mappings(
            EventSourceArn=inputs["eventSourceArn"], FunctionName=inputs["functionName"]
        )["EventSourceMappings"]
        # ResourceConflictException: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
        if others:
            raise RefusedError(
                f"{inputs['eventSourceArn']} is mapped to {inputs['functionName']} already, by {others[0]['UUID']}"
            )

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

    def _wanted(self, inputs: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
        nothing = {**_DEFAULTS, "batchSize": _batch_size(inputs["eventSourceArn"])}
        plain = {name: inputs.get(name, nothing.get(name)) for name in names if name in _PLAIN}
        wanted: dict[str, Any] = pascal(plain)
        if "destinationConfig" in names:
            failure = (inputs.get("destinationConfig") or {}).get("onFailure")
            wanted["DestinationConfig"] = {"OnFailure": {"Destination": failure["destinationArn"]}} if failure else {}
        if "filterCriteria" in names:
            wanted["FilterCriteria"] = pascal(inputs.get("filterCriteria") or {})
        return wanted

    def _told_defaults(self, mapping: Mapping[str, Any]) -> Properties:
        # What was not given is told only where it is not what Lambda takes by itself.
        defaults = {**_DEFAULTS, "batchSize": _batch_size(mapping["EventSourceArn"])}
        live = {name: mapping.get(name[0].upper() + name[1:]) for name in defaults}
        return {name: live[name] for name in defaults if name in self.known or live[name] != defaults[name]}

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
