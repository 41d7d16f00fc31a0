"""What an EventBridge rule sends its events to, so that none is dropped silently."""

import pulumi
import pulumi_aws as aws

__all__ = ["event_target"]

EVENT_RETRY_SECONDS = 24 * 3600
EVENT_RETRIES = 185
"""EventBridge's own defaults, said because a target's dead letters are what follows.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html
"""


def event_target(
    name: str,
    *,
    rule: aws.cloudwatch.EventRule,
    target_id: str,
    arn: pulumi.Input[str],
    dead_letters_arn: pulumi.Input[str],
    message: str | None = None,
    parent: pulumi.Resource,
    permission: pulumi.Resource,
) -> aws.cloudwatch.EventTarget:
    """Register what gets the rule's events as they are, or instead of each the given message.

    What can't be delivered for a day goes to the dead-letter queue. `permission` is what lets the rule in: events sent
    to a target without it would go to the dead letters.
    """
    return aws.cloudwatch.EventTarget(
        name,
        rule=rule.name,
        target_id=target_id,
        arn=arn,
        input=message,
        dead_letter_config=aws.cloudwatch.EventTargetDeadLetterConfigArgs(arn=dead_letters_arn),
        retry_policy=aws.cloudwatch.EventTargetRetryPolicyArgs(
            maximum_event_age_in_seconds=EVENT_RETRY_SECONDS, maximum_retry_attempts=EVENT_RETRIES
        ),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[permission]),
    )
