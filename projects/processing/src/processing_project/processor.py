"""An environment's processor as one component: what triggers it, what it is, and what watches it."""

import json
from typing import ClassVar

import pulumi
import pulumi_aws as aws

from pipeline_common.contracts import ProcessingOutputs, StorageOutputs
from pipeline_common.environments import Environment
from pipeline_common.infra.alarms import alarm
from pipeline_common.infra.dashboards import dashboard
from pipeline_common.infra.exports import eventually
from pipeline_common.infra.live_function import LiveFunction
from pipeline_common.infra.queue_function import Feed, QueueConfig, QueueFunction
from pipeline_common.infra.stack_references import read
from pipeline_common.release import deployed_version
from processing_project.config import ProcessingConfig
from processing_project.dashboard import processing_graphs
from processing_project.policies import processor_rights
from processor_lambda.settings import MAX_RECEIVES, MESSAGE_SCHEMA, PROCESSOR_HANDLER

__all__ = ["Processor"]

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

    rule: aws.cloudwatch.EventRule
    schedule: aws.cloudwatch.EventRule | None
    worker: QueueFunction
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
        invoked = pulumi.InvokeOptions(parent=self)
        self._region = aws.get_region_output(opts=invoked).region
        self._account_id = aws.get_caller_identity_output(opts=invoked).account_id
        self._store = pulumi.Output.all(
            store=read(StorageOutputs, environment), region=self._region, account_id=self._account_id
        ).apply(lambda known: config.own_storage(**known))
        self._contract = self._store.apply(lambda store: store.contract)
        self.rule = self._rule()
        self.schedule = self._schedule()
        self.worker = self._worker(code)
        self._alarms = [*self.worker.alarms, self._duration_alarm()]
        self.dashboard = dashboard(
            f"{ProcessingOutputs.PROJECT}-{environment}",  # of which an account has one per region
            processing_graphs,
            shown={
                "environment": str(environment),
                "function": self.worker.function.function.name,
                "queue": self.worker.queue.name,
                "timeout_seconds": config.timeout_seconds,
                "queue_age_alarm_seconds": config.queue_age_alarm_seconds,
            },
            region=self._region,
            alarms=self._alarms,
            store=self._contract,
            parent=self,
        )
        self.register_outputs(self.outputs().exports())

    def outputs(self) -> ProcessingOutputs:
        """Return the contract, whose scalars are outputs until it is exported."""
        queue, function = self.worker.queue, self.worker.function
        dead_letters = self._contract.apply(lambda store: store.dlq_alarm_name)
        names = pulumi.Output.all(*(one.name for one in self._alarms), dead_letters)
        return ProcessingOutputs(
            environment=self._environment.name,
            suffix=self._environment.suffix,
            region=eventually(self._region),
            bucket_name=eventually(self._store.apply(lambda store: store.bucket.name)),
            table_name=eventually(self._store.apply(lambda store: store.table.name)),
            input_prefix=self._config.input_prefix,
            process_replicas=self._config.process_replicas,
            lambda_function_name=eventually(function.function.name),
            lambda_function_arn=eventually(function.function.arn),
            log_group_name=eventually(function.log_group.name),
            queue_name=eventually(queue.name),
            queue_url=eventually(queue.url),
            queue_arn=eventually(queue.arn),
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
            event_pattern=self._store.apply(lambda store: self._config.arrivals(store.bucket.name)),
            opts=self._child(),
        )

    def _schedule(self) -> aws.cloudwatch.EventRule | None:
        if self._config.schedule is None:
            return None
        return aws.cloudwatch.EventRule(
            "schedule",
            description="When the processor sweeps its input for what events missed",
            schedule_expression=self._config.schedule,
            opts=self._child(),
        )

    def _worker(self, code: pulumi.Archive) -> QueueFunction:
        config = self._config
        feeds = [Feed(name="arrivals-target", target_id="processor", rule=self.rule)]
        if self.schedule:
            feeds.append(Feed(name="schedule-target", target_id="processor", rule=self.schedule, message=SWEEP))
        return QueueFunction(
            "",
            QueueConfig(
                timeout_seconds=config.timeout_seconds,
                max_receives=MAX_RECEIVES,
                batch_size=BATCH_SIZE,
                max_concurrency=config.max_concurrency,
                age_alarm_seconds=config.queue_age_alarm_seconds,
                age_alarm=(
                    f"Files have been waiting for {config.queue_age_alarm_seconds} s or more: the processor "
                    "fails, is throttled or can't keep up."
                ),
                feeds_itself=True,  # a long file or sweep goes on by a message, and the processor bounds how often
            ),
            feeds=feeds,
            function=lambda queue: self._function(code, queue),
            store=self._contract,
            parent=self,
        )

    def _function(self, code: pulumi.Archive, queue: aws.sqs.Queue) -> LiveFunction:
        config, release = self._config, str(deployed_version())
        settings = pulumi.Output.all(store=self._store, queue_url=queue.url).apply(
            lambda known: config.settings(release=release, **known)
        )
        return LiveFunction(
            "processor",
            config,
            handler=PROCESSOR_HANDLER,
            description="Turns the files under the input prefix into items",
            code=code,
            environment=settings.apply(lambda known: known.to_env()),
            rights=pulumi.Output.all(store=self._store, queue_arn=queue.arn).apply(
                lambda known: processor_rights(input_prefix=config.input_prefix, **known)
            ),
            alarm_topic_arn=self._contract.apply(lambda store: store.failure_topic_arn),
            opts=self._child(),
        )

    def _duration_alarm(self) -> aws.cloudwatch.MetricAlarm:
        config = self._config
        return alarm(
            "duration",
            namespace="AWS/Lambda",
            metric="Duration",
            dimensions={"FunctionName": self.worker.function.function.name},
            statistic="Maximum",
            threshold=config.timeout_seconds * 1000 * config.duration_alarm_percent / 100,
            periods=3,
            description=(
                f"The processor has been taking {config.duration_alarm_percent} % or more of its timeout of "
                f"{config.timeout_seconds} s: files have grown, or the table throttles."
            ),
            runbook="function-duration",
            topic_arn=self._contract.apply(lambda store: store.failure_topic_arn),
            opts=self._child(),
        )
