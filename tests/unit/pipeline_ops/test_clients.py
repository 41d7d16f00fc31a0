"""The user's own clients read what botocore's own do."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.utils import parse_timestamp

from pipeline_ops.clients import _timestamp, aws_client


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-29T23:59:59.000Z",
        "2024-02-29T23:59:59Z",
        "2024-02-29T23:59:59.123456Z",
        "2024-02-29T23:59:59+02:00",
        "Thu, 29 Feb 2024 23:59:59 GMT",
        "1709251199",
        1709251199,
        1709251199.5,
    ],
)
def test_every_form_of_an_instant_is_read_as_botocore_reads_it(text: Any) -> None:
    assert _timestamp(text) == parse_timestamp(text)
    assert _timestamp(text).utcoffset() is not None


def test_what_is_no_instant_is_refused() -> None:
    with pytest.raises(ValueError):
        _timestamp("no instant")


def test_a_listings_instants_are_read_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    s3 = aws_client("s3", region="us-east-1")
    entry = b"<Contents><LastModified>2024-02-29T23:59:59.000Z</LastModified></Contents>"
    body = b"<ListBucketResult>%s</ListBucketResult>" % entry

    class Answer:
        status_code, headers, content, raw = 200, {"content-type": "application/xml"}, body, None

    s3.meta.events.register("before-send.s3.ListObjectsV2", lambda **_: Answer())
    [listed] = s3.list_objects_v2(Bucket="bucket")["Contents"]
    assert listed["LastModified"] == datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)
    assert listed["LastModified"].tzinfo is UTC, "as datetime itself reads it, not dateutil"
