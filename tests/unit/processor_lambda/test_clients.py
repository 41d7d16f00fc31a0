"""What the processor's own clients read that botocore alone does not."""

from typing import Any

import pytest

from processor_lambda.clients import connect
from processor_lambda.processor import NoticeAction, build_processor
from tests.unit.processor_lambda.cloud import KEY, REGION, Cloud, lines


def test_a_file_is_processed_also_where_its_header_expires_has_no_value(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    cloud.put(lines(2))

    def without_a_value(_operation: str, _request: Any, send: Any) -> Any:
        answer = send()
        answer.headers["Expires"] = ""
        return answer

    cloud.fault_for = lambda operation: without_a_value if operation == "s3.HeadObject" else None
    processor = build_processor(cloud.settings, connect(connections=2, environ={}), threads=2)
    assert cloud.process(KEY, processor).action is NoticeAction.PROCESSED
