"""An environment's processor as one component: what triggers it, what it is, and what watches it."""

import functools
import json
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from pipeline_common.contracts import ProcessingOutputs
from pipeline_common.environments import Environment
from pipeline_common.infra.alarms import AlarmRule, alarm
from pipeline_common.infra.event_target import queue_target
from pipeline_common.infra.exports import eventually
from pipeline_common.infra.live_function import FunctionConfig, LiveFunction
from pipeline_common.infra.policies import queue_for_rules
from pipeline_common.tags import resource_tags
from processing_project.config import ProcessingConfig
from processing_project.dashboard import Watched, dashboard_body
from processing_project.own_storage import read_own_storage
from processing_project.policies import processor_rights
from processor_lambda.settings import MAX_RECEIVES, MESSAGE_SCHEMA, PROCESSOR_HANDLER

__all__ = ["Processor"]

QUEUE_RETENTION_SECONDS = 14 * 24 * 3600
"""As long as SQS keeps a message at most, so that the processor may stand still for that long and miss nothing.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""

BATCH_SIZE = 1
"""Files per invocation: one, so that the timeout is all its own."""

SWEEP = json.dumps({"schema": MESSAGE_SCHEMA, "kind": "sweep"}, separators=(",", ":"))
"""What the schedule puts into the queue."""


class Processor(pulumi.ComponentResource):
    """What turns the files under the input prefix into items (`pipeline:processing:Processor`).

    Guarantees: every object that arrives under the prefix is announced on the processor's queue, and what can't be
    delivered or processed ends in the environment's dead-letter queue; the role may read its input and write its
    output and its table's items, and nothing else; the prefixes that it writes to never trigger it. With a schedule, a
    sweep is put into the same queue.

    Leaves out: what was there before it was first deployed, where no schedule sweeps, and the objects it writes, which
    stay with the storage when it is destroyed.
    """

    TOKEN: ClassVar[str] = "pipeline:processing:Processor"  # noqa: S105 - a resource type's token

    queue: aws.sqs.Queue
    rule: aws.cloudwatch.EventRule
    schedule: aws.cloudwatch.EventRule | None
    function: LiveFunction
    mapping: aws.lambda_.EventSourceMapping
    dashboard: aws.cloudwatch.Dashboard

    def __init__(
        self,
        name: str,
        config: ProcessingConfig,
        *,
        environment: Environment,
        code: pulumi.Archive,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(self.TOKEN, name, opts=opts)
        self._config = config
        self._environment = environment
        self._tags = functools.partial(resource_tags, ProcessingOutputs.PROJECT, environment)
        invoked = pulumi.InvokeOptions(parent=self)
        self._region = aws.get_region_output(opts=invoked).region
        self._account_id = aws.get_caller_identity_output(opts=invoked).account_id
        self._store = read_own_storage(environment, region=self._region, account_id=self._account_id)
        self._dead_letters = self._store.apply(lambda store: store.dlq_arn)
        self._topic = self._store.apply(lambda store: store.failure_topic_arn)

        self.rule = self._rule()
        self.schedule = self._schedule()
        self.queue = self._queue()
        self.function = self._function(code)
        # A long file or sweep goes on by a message to the function's own queue, which Lambda would take for a loop and
        # end after about 16 rounds. The processor has a bound of its own.
        # https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
        continues = aws.lambda_.FunctionRecursionConfig(
            "recursion",
            function_name=self.function.function.name,
            recursive_loop="Allow",
            opts=self._child(),
        )
        self.mapping = aws.lambda_.EventSourceMapping(
            "mapping",
            event_source_arn=self.queue.arn,
            function_name=self.function.alias.arn,
            batch_size=BATCH_SIZE,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=aws.lambda_.EventSourceMappingScalingConfigArgs(maximum_concurrency=config.max_concurrency),
            tags=self._tags("mapping"),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*self.function.ready, continues]),
        )
        self._alarms = [*self.function.alarms, *self._own_alarms()]
        self.dashboard = self._dashboard()
        self.register_outputs(self.outputs().exports())

    def outputs(self) -> ProcessingOutputs:
        """Return the contract, whose scalars are outputs until it is exported."""
        names = pulumi.Output.all(*(one.name for one in self._alarms))
        return ProcessingOutputs(
            environment=self._environment.name,
            suffix=self._environment.suffix,
            region=eventually(self._region),
            bucket_name=eventually(self._store.apply(lambda store: store.bucket_name)),
            input_prefix=self._config.input_prefix,
            process_replicas=self._config.process_replicas,
            lambda_function_name=eventually(self.function.function.name),
            lambda_function_arn=eventually(self.function.function.arn),
            log_group_name=eventually(self.function.log_group.name),
            queue_name=eventually(self.queue.name),
            queue_url=eventually(self.queue.url),
            queue_arn=eventually(self.queue.arn),
            rule_name=eventually(self.rule.name),
            rule_arn=eventually(self.rule.arn),
            schedule_rule_name=eventually(self.schedule.name) if self.schedule else "",
            alarm_names=eventually(names.apply(",".join)),
            dashboard_name=eventually(self.dashboard.dashboard_name),
        )

    def _child(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self)

    def _rule(self) -> aws.cloudwatch.EventRule:
        return aws.cloudwatch.EventRule(
            "arrivals",
            description="Objects that arrive under the input prefix, for the processor's queue",
            event_pattern=self._store.apply(lambda store: self._config.arrivals(store.bucket_name)),
            tags=self._tags("arrivals"),
            opts=self._child(),
        )

    def _schedule(self) -> aws.cloudwatch.EventRule | None:
        if self._config.schedule is None:
            return None
        return aws.cloudwatch.EventRule(
            "schedule",
            description="When the processor sweeps its input for what events missed",
            schedule_expression=self._config.schedule,
            tags=self._tags("schedule"),
            opts=self._child(),
        )

    def _queue(self) -> aws.sqs.Queue:
        queue = aws.sqs.Queue(
            "queue",
            # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
            visibility_timeout_seconds=6 * self._config.timeout_seconds,
            message_retention_seconds=QUEUE_RETENTION_SECONDS,
            sqs_managed_sse_enabled=True,
            redrive_policy=self._dead_letters.apply(
                lambda arn: json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES})
            ),
            tags=self._tags("queue"),
            opts=self._child(),
        )
        rules = {"arrivals": self.rule, **({"schedule": self.schedule} if self.schedule else {})}
        policy = aws.sqs.QueuePolicy(
            "queue-policy",
            queue_url=queue.url,
            policy=pulumi.Output.json_dumps(
                queue_for_rules(
                    queue_arn=queue.arn,
                    rule_arns=[rule.arn for rule in rules.values()],
                    account_id=self._account_id,
                )
            ),
            opts=self._child(),
        )
        for name, rule in rules.items():
            queue_target(
                f"{name}-target",
                rule=rule,
                target_id="processor",
                queue=queue,
                policy=policy,
                dead_letters_arn=self._dead_letters,
                message=SWEEP if rule is self.schedule else None,
                opts=self._child(),
            )
        return queue

    def _function(self, code: pulumi.Archive) -> LiveFunction:
        config = self._config
        settings = pulumi.Output.all(store=self._store, queue_url=self.queue.url).apply(
            lambda known: config.settings(**known)
        )
        return LiveFunction(
            "processor",
            FunctionConfig(
                handler=PROCESSOR_HANDLER,
                description="Turns the files under the input prefix into items",
                memory_mb=config.memory_mb,
                timeout_seconds=config.timeout_seconds,
                log_retention_days=config.log_retention_days,
                errors_alarm_count=config.errors_alarm_count,
                throttles_alarm_count=config.throttles_alarm_count,
            ),
            code=code,
            environment=settings.apply(lambda known: known.to_env()),
            rights=pulumi.Output.all(store=self._store, queue_arn=self.queue.arn).apply(
                lambda known: processor_rights(input_prefix=config.input_prefix, **known)
            ),
            alarm_topic_arn=self._topic,
            tags=self._tags,
            opts=self._child(),
        )

    def _own_alarms(self) -> list[aws.cloudwatch.MetricAlarm]:
        config = self._config
        limit_ms = config.timeout_seconds * 1000 * config.duration_alarm_percent / 100
        rules: dict[str, tuple[AlarmRule, dict[str, pulumi.Input[str]]]] = {
            "duration": (
                AlarmRule(
                    namespace="AWS/Lambda",
                    metric="Duration",
                    statistic="Maximum",
                    threshold=limit_ms,
                    periods=3,
                    description=(
                        f"The processor has been taking {config.duration_alarm_percent} % or more of its timeout of "
                        f"{config.timeout_seconds} s: files have grown, or the table throttles."
                    ),
                    runbook="function-duration",
                ),
                {"FunctionName": self.function.function.name},
            ),
            "queue-age": (
                AlarmRule(
                    namespace="AWS/SQS",
                    metric="ApproximateAgeOfOldestMessage",
                    statistic="Maximum",
                    threshold=config.queue_age_alarm_seconds,
                    periods=3,
                    description=(
                        f"Files have been waiting for {config.queue_age_alarm_seconds} s or more: the processor "
                        "fails, is throttled or can't keep up."
                    ),
                    runbook="queue-age",
                ),
                {"QueueName": self.queue.name},
            ),
            "dead-letters": (
                AlarmRule(
                    namespace="AWS/SQS",
                    metric="ApproximateNumberOfMessagesVisible",
                    statistic="Maximum",
                    threshold=config.dead_letters_alarm_count,
                    description=(
                        f"The dead-letter queue of {self._environment} holds {config.dead_letters_alarm_count} "
                        "or more: each dead letter says what was not done and why."
                    ),
                    runbook="dead-letters",
                ),
                {"QueueName": self._dead_letters.apply(_queue_name)},
            ),
        }
        return [
            alarm(
                name,
                rule,
                dimensions=dimensions,
                topic_arn=self._topic,
                tags=self._tags(name),
                opts=self._child(),
            )
            for name, (rule, dimensions) in rules.items()
        ]

    def _dashboard(self) -> aws.cloudwatch.Dashboard:
        watched = pulumi.Output.all(
            region=self._region,
            function=self.function.function.name,
            queue=self.queue.name,
            dead_letter_queue=self._dead_letters.apply(_queue_name),
            alarm_arns=pulumi.Output.all(*(one.arn for one in self._alarms)),
        )
        return aws.cloudwatch.Dashboard(
            "dashboard",
            # The engine makes no name for a dashboard; an account has one processor per environment and region.
            dashboard_name=f"{ProcessingOutputs.PROJECT}-{self._environment}",
            dashboard_body=watched.apply(
                lambda known: json.dumps(
                    dashboard_body(
                        Watched(
                            **known,
                            environment=str(self._environment),
                            timeout_seconds=self._config.timeout_seconds,
                            queue_age_alarm_seconds=self._config.queue_age_alarm_seconds,
                        )
                    )
                )
            ),
            opts=self._child(),
        )


def _queue_name(arn: str) -> str:
    return arn.rpartition(":")[2]
