"""What the processor's role may do. Pure: strings in, statements out."""

from pipeline_common.infra.policies import Statement, allow, objects
from processing_project.config import OwnStorage
from processor_lambda.settings import REJECTED_PREFIX, RESULTS_PREFIX

__all__ = ["processor_rights"]

READ_INPUT = ("s3:GetObject", "s3:GetObjectTagging", "s3:GetObjectVersion", "s3:GetObjectVersionTagging")
CONSUME = ("sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")


def processor_rights(*, store: OwnStorage, input_prefix: str, queue_arn: str) -> list[Statement]:
    """Return the processor's rights: read its input, write its output, put items, and work its queue.

    It can delete nothing but what it put aside for a run that takes several invocations, and no item at all.
    """
    bucket = store.bucket.arn
    results = f"{RESULTS_PREFIX}{store.contract.environment}/"
    unfinished = f"{results}unfinished/"
    return [
        # For sweeps and for what was put aside. And without the right to list, S3 answers 403 for an object that is
        # not there, which can't be told from a missing right. It has no condition on `s3:prefix`: how S3 evaluates
        # one for a head, which lists nothing, is not documented. So the keys of the whole bucket can be listed.
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
        allow("ListAndTellAbsent", ["s3:ListBucket"], [bucket]),
        # The tags tell a replica whose metadata has no room for a mark.
        allow("ReadInput", READ_INPUT, objects(bucket, [input_prefix])),
        allow("ReadResults", ["s3:GetObject"], objects(bucket, [results])),
        allow("WriteOutput", ["s3:PutObject"], objects(bucket, [results, REJECTED_PREFIX])),
        allow("AbandonOutput", ["s3:AbortMultipartUpload"], objects(bucket, [REJECTED_PREFIX])),
        allow("RemoveWhatWasPutAside", ["s3:DeleteObject"], objects(bucket, [unfinished])),
        allow("PutItems", ["dynamodb:BatchWriteItem", "dynamodb:PutItem"], [store.table.arn]),
        allow("OwnQueue", [*CONSUME, "sqs:SendMessage"], [queue_arn]),
        allow("DeadLetters", ["sqs:SendMessage"], [store.contract.dlq_arn]),
    ]
