"""A queue as the target of an EventBridge rule, so that no event is dropped silently."""

import pulumi
import pulumi_aws as aws

__all__ = ["queue_target"]

EVENT_RETRY_SECONDS = 24 * 3600
EVENT_RETRIES = 185
"""EventBridge's own defaults, said because a target's dead letters are what follows.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
"""


def queue_target(
    name: str,
    *,
    rule: aws.cloudwatch.EventRule,
    target_id: str,
    queue: aws.sqs.Queue,
    policy: aws.sqs.QueuePolicy,
    dead_letters_arn: pulumi.Input[str],
    message: str | None = None,
    opts: pulumi.ResourceOptions,
) -> aws.cloudwatch.EventTarget:
    """Register the queue as a target that gets the rule's events as they are, or instead of each the given message.

    What can't be delivered for a day goes to the dead-letter queue. `policy` is the queue's own, which lets the rule
    in: events sent to a queue without it would go to the dead letters.
    """
    return aws.cloudwatch.EventTarget(
        name,
        rule=rule.name,
        target_id=target_id,
        arn=queue.arn,
        input=message,
        dead_letter_config=aws.cloudwatch.EventTargetDeadLetterConfigArgs(arn=dead_letters_arn),
        retry_policy=aws.cloudwatch.EventTargetRetryPolicyArgs(
            maximum_event_age_in_seconds=EVENT_RETRY_SECONDS, maximum_retry_attempts=EVENT_RETRIES
        ),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[policy])),
    )
