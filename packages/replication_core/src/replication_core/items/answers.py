"""A reader of the items in DynamoDB's answers, beside botocore's own, whose time is most of what a read costs.

Apart from binaries, which are in base64, the JSON of an item is what botocore makes of it. So the items are taken out
of an answer before botocore walks the rest by its shapes. That is done only where each attribute has, to the letter,
the form in which DynamoDB writes it; any other answer is left whole to botocore.
"""

import base64
import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["read_items_fast"]

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
_TEXT = frozenset({"S", "N"})
_TEXTS = frozenset({"SS", "NS"})
_FLAG = frozenset({"BOOL", "NULL"})


def read_items_fast(client: "DynamoDBClient") -> None:
    """Let this client's Scan and BatchGetItem read the items of an answer all at once, and as botocore reads them."""
    # Named, so that each is registered once with a client that several share.
    client.meta.events.register("before-parse.dynamodb.Scan", _take_page_out, "read-pages-fast")
    client.meta.events.register("before-parse.dynamodb.BatchGetItem", _take_batches_out, "read-batches-fast")


def _take_page_out(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    answer = _read_json(response_dict)
    if _are_items(items := answer.pop("Items", None)):
        _take_out({"Items": items}, answer, response_dict, customized_response_dict)


def _take_batches_out(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    answer = _read_json(response_dict)
    tables = answer.pop("Responses", None)
    if isinstance(tables, dict) and all(map(_are_items, tables.values())):
        _take_out({"Responses": tables}, answer, response_dict, customized_response_dict)


def _read_json(response: dict[str, Any]) -> dict[str, Any]:
    """Return a successful answer; an empty one for what botocore is to judge."""
    if response["status_code"] != HTTPStatus.OK:
        return {}
    try:
        answer = json.loads(response["body"].decode())
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _take_out(found: dict[str, Any], rest: dict[str, Any], response: dict[str, Any], read: dict[str, Any]) -> None:
    response["body"] = json.dumps(rest).encode()
    read.update(found)


def _are_items(found: Any) -> bool:
    """Tell whether these are all items, and decode the binaries in them."""
    try:
        for item in _as(list, found):
            _decode(item.values())
    except (AttributeError, RecursionError, TypeError, ValueError):
        return False
    return True


def _decode(attributes: Iterable[Any]) -> None:
    """Make bytes of the binaries among attributes; raises where one is of no form that DynamoDB writes."""
    for attribute in attributes:
        [(type_, value)] = attribute.items()
        if type_ in _TEXT:
            _as(str, value)
        elif type_ == "M":
            _decode(value.values())
        elif type_ == "L":
            _decode(_as(list, value))
        elif type_ in _FLAG:
            _as(bool, value)
        elif type_ in _TEXTS:
            for each in _as(list, value):
                _as(str, each)
        elif type_ == "B":
            attribute["B"] = base64.b64decode(value)
        elif type_ == "BS":
            attribute["BS"] = [base64.b64decode(each) for each in _as(list, value)]
        else:
            raise ValueError(type_)


def _as(type_: type[Any], value: Any) -> Any:
    if value.__class__ is not type_:
        raise TypeError
    return value
