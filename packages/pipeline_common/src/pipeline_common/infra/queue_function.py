"""A queue, the rules that feed it, and the function that works it off."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from pipeline_common.contracts import StorageOutputs
from pipeline_common.infra.alarms import alarm
from pipeline_common.infra.event_target import event_target
from pipeline_common.infra.limits import QUEUE_SECONDS
from pipeline_common.infra.live_function import LiveFunction
from pipeline_common.infra.policies import queue_for_rules

__all__ = ["Feed", "QueueConfig", "QueueFunction"]


@dataclass(frozen=True, kw_only=True)
class QueueConfig:
    """How a queue is worked off, and when somebody hears that it is not."""

    timeout_seconds: int
    """The function's own, which decides for how long a message that it was handed is out of sight."""
    max_receives: int
    """Tries of a message before it is a dead letter."""
    batch_size: int
    batch_window_seconds: int = 0
    """How long a batch is waited for to fill."""
    max_concurrency: int
    age_alarm_seconds: int
    age_alarm: str
    """What it means that a message has been waiting for so long."""
    feeds_itself: bool = False
    """Whether the function may send to its own queue, which Lambda takes for a loop and ends after about 16 rounds.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
    """


@dataclass(frozen=True, kw_only=True)
class Feed:
    """A rule whose events come into the queue, as they are or instead of each the given message."""

    name: str
    """The logical name of the rule's target."""
    target_id: str
    rule: aws.cloudwatch.EventRule
    message: str | None = None


class QueueFunction:
    """A queue that rules feed, and a function that works it off, as children of one component.

    Guarantees: the queue takes events of its rules alone, over TLS, encrypts them, and keeps them for as long as SQS
    does; what can't be delivered, or was received too often, ends in the environment's dead-letter queue, where the
    days count from when it was first sent; the function is handed batches by its live alias, and says of each message
    whether it is done; a queue that is not drained alarms, like the function's errors and throttles.

    `former_rule_arns` are rules that fed the queue in a former release, and may do so until a deploy deletes them.

    It registers `<prefix>queue`, `-policy` and `-age` of it, and `<prefix>mapping`, and is no component itself: a layer
    between would give each a URN of its own, for which the engine would have to be told the former one.
    """

    queue: aws.sqs.Queue
    function: LiveFunction
    mapping: aws.lambda_.EventSourceMapping
    alarms: Sequence[aws.cloudwatch.MetricAlarm]

    def __init__(
        self,
        prefix: str,
        config: QueueConfig,
        *,
        feeds: Sequence[Feed],
        function: Callable[[aws.sqs.Queue], LiveFunction],
        store: pulumi.Output[StorageOutputs],
        parent: pulumi.Resource,
        former_rule_arns: pulumi.Input[Sequence[str]] = (),
    ) -> None:
        self._prefix, self._config, self._store, self._parent = prefix, config, store, parent
        self.queue = self._fed_queue(feeds, former_rule_arns)
        self.function = function(self.queue)
        self.mapping = self._mapping()
        self.alarms = [*self.function.alarms, self._age_alarm()]

    def _child(self, depends_on: Sequence[pulumi.Resource] = ()) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self._parent, depends_on=list(depends_on))

    def _fed_queue(self, feeds: Sequence[Feed], former_rule_arns: pulumi.Input[Sequence[str]]) -> aws.sqs.Queue:
        name, config = f"{self._prefix}queue", self._config
        dead_letters_arn = self._store.apply(lambda store: store.dlq_arn)
        queue = aws.sqs.Queue(
            name,
            # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
            visibility_timeout_seconds=6 * config.timeout_seconds + config.batch_window_seconds,
            message_retention_seconds=QUEUE_SECONDS,
            sqs_managed_sse_enabled=True,
            redrive_policy=dead_letters_arn.apply(
                lambda arn: json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": config.max_receives})
            ),
            opts=self._child(),
        )
        policy = aws.sqs.QueuePolicy(
            f"{name}-policy",
            queue_url=queue.url,
            policy=pulumi.Output.json_dumps(
                queue_for_rules(
                    queue_arn=queue.arn,
                    rule_arns=pulumi.Output.all(*(feed.rule.arn for feed in feeds), former_rule_arns).apply(
                        lambda known: [*known[:-1], *known[-1]]
                    ),
                    account_id=self._store.apply(lambda store: store.account_id),
                )
            ),
            opts=self._child(),
        )
        for feed in feeds:
            event_target(
                feed.name,
                rule=feed.rule,
                target_id=feed.target_id,
                arn=queue.arn,
                dead_letters_arn=dead_letters_arn,
                message=feed.message,
                parent=self._parent,
                permission=policy,
            )
        return queue

    def _mapping(self) -> aws.lambda_.EventSourceMapping:
        config, before = self._config, [*self.function.ready]
        if config.feeds_itself:
            before.append(
                aws.lambda_.FunctionRecursionConfig(
                    f"{self._prefix}recursion",
                    function_name=self.function.function.name,
                    recursive_loop="Allow",
                    opts=self._child(),
                )
            )
        return aws.lambda_.EventSourceMapping(
            f"{self._prefix}mapping",
            event_source_arn=self.queue.arn,
            function_name=self.function.alias.arn,
            batch_size=config.batch_size,
            maximum_batching_window_in_seconds=config.batch_window_seconds,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=aws.lambda_.EventSourceMappingScalingConfigArgs(maximum_concurrency=config.max_concurrency),
            opts=self._child(before),
        )

    def _age_alarm(self) -> aws.cloudwatch.MetricAlarm:
        return alarm(
            f"{self._prefix}queue-age",
            namespace="AWS/SQS",
            metric="ApproximateAgeOfOldestMessage",
            dimensions={"QueueName": self.queue.name},
            statistic="Maximum",
            threshold=self._config.age_alarm_seconds,
            periods=3,
            description=self._config.age_alarm,
            runbook="queue-age",
            topic_arn=self._store.apply(lambda store: store.failure_topic_arn),
            opts=self._child(),
        )
