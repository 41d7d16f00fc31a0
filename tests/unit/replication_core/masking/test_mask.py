"""A route's mask: keys, items and objects by a policy's rules, and what is refused."""

from collections.abc import Mapping
from typing import Any

import pytest

from replication_core.datasets import ITEMS, Dataset, KeyAttribute, KeyType, Kind, RecordKey
from replication_core.masking.mask import Mask
from replication_core.masking.policy import MaskingPolicy
from replication_core.masking.pseudonyms import Pseudonyms, token
from replication_core.masking.refusals import Unclassified
from tests.unit.replication_core.masking.refusal import told_by

ROOT = bytes(range(32))
FILES = Dataset("files", Kind.BUCKET, (KeyAttribute("key", KeyType.STRING),))
KEEP = {"rule": "keep", "line": 1}
DROP = {"rule": "drop", "line": 2}
CUSTOMER = {"rule": "pseudonym", "line": 3, "namespace": "customer", "prefix": "c_"}
MAIL = {"rule": "email", "line": 4, "namespace": "mail"}


def pseudonym(text: str) -> str:
    return "c_" + token(Pseudonyms(ROOT, 1).digest("customer", "S", text))


def mask_of(**changed: Any) -> Mask:
    document = {
        "version": 1,
        "generation": 1,
        "unclassified": "refuse",
        "namespaces": ["customer", "mail"],
        "tables": {},
        "buckets": {},
        "sample": None,
        "brake": None,
    }
    return Mask(MaskingPolicy.parse(document | changed), Pseudonyms(ROOT, 1))


def table_mask(*attributes: list[Any], where: list[Any] | None = None, **changed: Any) -> Mask:
    key = {"id": CUSTOMER, "timestamp": KEEP}
    table = {"key": key, "attributes": [*attributes], "where": where or [], "deletes": "mirror"}
    return mask_of(tables={"items": table}, **changed)


def masked(mask: Mask, **attributes: Any) -> Mapping[str, Any] | None:
    made = mask.item({"id": {"S": "c-1"}, "timestamp": {"N": "17"}, **attributes}, ITEMS)
    if made is None:
        return None
    assert made["id"] == {"S": pseudonym("c-1")}
    assert made["timestamp"] == {"N": "17"}
    return {name: value for name, value in made.items() if name not in {"id", "timestamp"}}


def test_an_items_key_is_that_of_its_record_key() -> None:
    mask = table_mask()
    assert mask.key(ITEMS.record("c-1", "17")) == RecordKey(ITEMS, (pseudonym("c-1"), "17"))
    assert masked(mask) == {}


def test_each_attribute_has_its_rule() -> None:
    mask = table_mask(["amount", KEEP], ["mail", MAIL], ["note", DROP], ["address.city", KEEP], ["tags[]", CUSTOMER])
    made = masked(
        mask,
        amount={"N": "12345678901234567890123456789012345678"},
        mail={"S": "jane@example.com"},
        note={"S": "secret"},
        address={"M": {"city": {"S": "Oslo"}}},
        tags={"L": [{"S": "a"}, {"NULL": True}]},
    )
    assert made == {
        "amount": {"N": "12345678901234567890123456789012345678"},
        "mail": {"S": "czssbhjdli2cgleu6gwphew3mu@masked.invalid"},
        "address": {"M": {"city": {"S": "Oslo"}}},
        "tags": {"L": [{"S": pseudonym("a")}, {"NULL": True}]},
    }


CANARY = "canary-7f3a"


@pytest.mark.parametrize(
    "attributes",
    [
        {CANARY: {"S": "x"}},
        {"address": {"M": {CANARY: {"S": "x"}}}},
        {"address": {"S": CANARY}},
        {"amount": {"M": {CANARY: {"S": CANARY}}}},
        {"amount": {"L": [{"S": CANARY}]}},
        {"amount": {"S": f"{CANARY}@example.com"}},
        {"amount": {CANARY: CANARY}},
        {"mail": {"N": "7"}},
    ],
)
def test_what_no_rule_is_for_is_refused_in_words_of_the_policy_alone(attributes: dict[str, Any]) -> None:
    with pytest.raises(Unclassified) as refused:
        masked(table_mask(["amount", KEEP], ["mail", MAIL], ["address.city", KEEP]), **attributes)
    assert refused.value.permanent
    assert CANARY not in told_by(refused.value)
