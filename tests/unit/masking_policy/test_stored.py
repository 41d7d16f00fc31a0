"""What is wrong with a policy for what a source has: its keys, indexes, times to live, and what is made of files."""

import pytest

from masking_policy.stored import KnownDataset, ProcessedFiles, StoredData
from replication_core.datasets import Dataset, KeyAttribute, KeyType, Kind
from tests.unit.masking_policy.policies import changed, compiled, faults

ID, TIME = KeyAttribute("id", KeyType.STRING), KeyAttribute("timestamp", KeyType.NUMBER)
ORDERS = KnownDataset(dataset=Dataset("orders", Kind.TABLE, (ID, TIME)))
FILES = KnownDataset(dataset=Dataset("files", Kind.BUCKET, (KeyAttribute("key", KeyType.STRING),)))
STORED = StoredData(datasets=[ORDERS, FILES])


def indexed(*keys: KeyAttribute, time_to_live: str = "") -> StoredData:
    orders = KnownDataset(dataset=ORDERS.dataset, indexes={"by": keys}, time_to_live=time_to_live)
    return StoredData(datasets=[orders, FILES])


def processed(**types: str) -> StoredData:
    files = ProcessedFiles(bucket="files", prefix="incoming/", table="orders", types=types, required=["id"])
    return StoredData(datasets=[ORDERS, FILES], files=files)


def added(rules: str) -> str:
    return changed(("      email: {email: mail}\n", f"      email: {{email: mail}}\n      {rules}\n"))


def test_a_policy_that_fits_what_is_stored_has_nothing_wrong() -> None:
    assert compiled(stored=STORED).warnings == ()
    assert compiled(stored=indexed(KeyAttribute("email", KeyType.STRING))).warnings == ()
    assert compiled(stored=processed(id="S", timestamp="N", amount="N")).warnings == ()


def test_what_a_target_gets_has_rules() -> None:
    customers = KnownDataset(dataset=Dataset("customers", Kind.TABLE, (ID,)))
    [fault] = faults(changed(), StoredData(datasets=[*STORED.datasets, customers]))
    assert "datasets.customers is missing" in str(fault)


def test_what_no_target_gets_is_warned_of() -> None:
    [warning] = compiled(stored=StoredData(datasets=[ORDERS])).warnings
    assert warning.place == "datasets.files"


def test_a_table_is_no_bucket() -> None:
    table = KnownDataset(dataset=Dataset("files", Kind.TABLE, (ID,)))
    [fault] = faults(changed(), StoredData(datasets=[ORDERS, table]))
    assert "is a table: write a mapping with `key:`" in str(fault)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ((", timestamp: keep}\n    attributes", "}\n    attributes"), "no rule for timestamp"),
        ((", timestamp: keep}\n    attributes", ", timestamp: keep, other: keep}\n    attributes"), "move it to attr"),
        ((", timestamp: keep}\n    attr", ", timestamp: {keep: {type: S}}}\n    attr"), "is N, and its rule takes S"),
        ((", timestamp: keep}\n    attr", ", timestamp: {pseudonym: mail, prefix: x}}\n    attr"), "remove the prefix"),
    ],
)
def test_a_tables_key_has_a_rule_for_each_attribute_that_takes_its_type(change: tuple[str, str], says: str) -> None:
    [fault] = faults(changed(change), STORED)
    assert fault.line == 7
    assert says in str(fault)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("state: {bucket: 10}", "is S, and its rule takes N, NS"),
        ("state: {replace: 1}", "is S"),
        ('state: {replace: ""}', "no empty text"),
        ("other: drop", "has no rule, so that each item that has it is refused"),
    ],
)
def test_what_would_keep_an_item_out_of_a_table_by_an_index_is_refused(rule: str, says: str) -> None:
    [fault] = faults(added(rule), indexed(KeyAttribute("state", KeyType.STRING)))
    assert says in str(fault)


def test_what_leaves_an_item_out_of_an_index_is_warned_of() -> None:
    [warning] = compiled(added("state: drop"), indexed(KeyAttribute("state", KeyType.STRING))).warnings
    assert "finds no item without it" in str(warning)


def test_an_index_by_what_the_replication_sets_needs_no_rule() -> None:
    assert not faults(changed(), indexed(KeyAttribute("environment", KeyType.STRING), TIME))


@pytest.mark.parametrize("rule", ["{pseudonym: mail}", "{digits: {keep_last: 1}}", "{replace: 1}", "{keep: {type: S}}"])
def test_a_time_to_live_stays_a_time(rule: str) -> None:
    [fault] = faults(added(f"ends: {rule}"), indexed(time_to_live="ends"))
    assert fault.place == "datasets.orders.attributes.ends"


@pytest.mark.parametrize("rule", ["keep", "drop", "{shift: {namespace: mail, days: 9}}", "{bucket: 3600}"])
def test_a_time_to_live_may_be_kept_dropped_shifted_or_rounded(rule: str) -> None:
    assert not faults(added(f"ends: {rule}"), indexed(time_to_live="ends"))


@pytest.mark.parametrize(
    ("rule", "type_", "says"),
    [
        ("{pseudonym: mail}", "N", "add `type: N` beside pseudonym"),
        ("{pseudonym: mail}", "B", "add `type: B` beside pseudonym"),
        ("{pseudonym: mail, type: B}", "N", "add `type: N`"),
        ("{pseudonym: mail}", "BOOL", "write keep, drop"),
        ("{fake: names}", "N", "write keep, drop"),
    ],
)
def test_a_column_that_the_schema_declares_is_masked_as_what_it_is_read_as(rule: str, type_: str, says: str) -> None:
    [fault] = faults(changed(("amount: keep}", f"amount: {rule}}}")), processed(amount=type_))
    assert (fault.line, says in str(fault)) == (23, True)


@pytest.mark.parametrize("rule", ["{pseudonym: mail, type: N}", "{digits: {keep_last: 1}, type: N}", "drop", "keep"])
def test_a_column_masked_as_its_type_has_nothing_wrong(rule: str) -> None:
    assert not faults(changed(("amount: keep}", f"amount: {rule}}}")), processed(amount="N"))


def test_jsons_numbers_tell_their_type_and_binaries_do_not() -> None:
    json_lines = ("{format: csv, columns:", "{format: json-lines, fields:")
    number = changed(json_lines, ("amount: keep}", "amount: {pseudonym: mail}}"))
    assert not faults(number, processed(amount="N"))
    [fault] = faults(number, processed(amount="B"))
    assert "type: B" in str(fault)


def test_a_field_that_a_record_must_have_is_not_left_out() -> None:
    for change in (("columns: {id: {pseudonym: customer, prefix: c_}", "columns: {id: drop"),):
        [fault] = faults(changed(change), processed(id="S"))
        assert "without which the processor rejects a record" in str(fault)


def test_a_field_that_is_masked_otherwise_than_the_items_attribute_is_warned_of() -> None:
    text = changed(("columns: {id: {pseudonym: customer, prefix: c_}", "columns: {id: {pseudonym: customer}"))
    [warning] = compiled(text, processed(id="S")).warnings
    assert "the item's attribute otherwise, in line 7" in str(warning)


def test_a_declared_field_that_no_rule_covers_is_warned_of_where_it_would_be_refused() -> None:
    declared = processed(more="")
    assert {each.place for each in compiled(stored=declared).warnings} == {
        "datasets.orders.attributes",
        "datasets.files[incoming/{customer}/{file}.csv.gz].body",
    }
    dropped = changed(("unclassified: refuse", "unclassified: drop"))
    assert compiled(dropped, declared).warnings == ()


def test_a_prefix_of_the_processors_that_no_rule_is_for_is_warned_of() -> None:
    files = ProcessedFiles(bucket="files", prefix="incoming/", table="orders", types={}, written=["results/"])
    [warning] = compiled(stored=StoredData(datasets=[ORDERS, FILES], files=files)).warnings
    assert "keys that begin with results/" in str(warning)


def test_a_name_that_is_almost_a_declared_one_is_warned_of() -> None:
    text = changed(("amount: keep}", "Amount: keep}"))
    assert any("is almost amount" in str(warning) for warning in compiled(text, processed(amount="N")).warnings)
