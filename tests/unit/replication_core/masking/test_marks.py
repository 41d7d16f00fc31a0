"""The marks of a policy on its replicas: fixed by golden vectors, and what each wrong one is taken for."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from replication_core.datasets import ITEMS, OBJECTS, Dataset, KeyAttribute, KeyType, Kind, RecordKey
from replication_core.masking.marks import Doubt, Marks
from replication_core.masking.pseudonyms import Pseudonyms, token

ROOT = bytes(range(32))
RULES, OTHERS = "0123456789abcdef01234567", "f" * 24
MARKS = Marks(Pseudonyms(ROOT, 1))
BINARY = Dataset("binary", Kind.TABLE, (KeyAttribute("pk", KeyType.BINARY),))


def frame(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def code_by_another_implementation(generation: int, *told: tuple[str, bytes]) -> str:
    info = frame(str(generation).encode()) + frame(b"~mark")
    mac = HMAC(HKDF(hashes.SHA256(), 32, salt=b"pipeline.masking/1", info=info).derive(ROOT), hashes.SHA256())
    for type_, value in told:
        mac.update(frame(type_.encode()) + frame(value))
    return token(mac.finalize()[:16])


@pytest.mark.parametrize(
    ("generation", "place", "expected"),
    [
        (1, OBJECTS.record("incoming/c_1.csv"), "wuffpuu4.ts5uvveu3gmfgndsykzpgid5hy"),
        (2, OBJECTS.record("incoming/c_1.csv"), "waantnmt.yaufkgl6fyvukwyw337675mbz4"),
        (1, ITEMS.record("c_1", "1.50"), "wuffpuu4.zc7666pyrl6driame6o5sixmem"),
        (1, BINARY.record("AP8="), "wuffpuu4.uje2luudg7g5sy74due7dc3lji"),
    ],
)
def test_the_marks_of_version_1_are_these_for_ever(generation: int, place: RecordKey, expected: str) -> None:
    assert Marks(Pseudonyms(ROOT, generation)).made(RULES, place) == f"{RULES}.{expected}"


@given(id_=st.text(min_size=1, max_size=9), timestamp=st.integers(0, 10**9), generation=st.integers(1, 9))
def test_a_mark_tells_the_rules_the_key_and_the_framed_hmac_of_rules_dataset_and_record(
    id_: str, timestamp: int, generation: int
) -> None:
    parts = (RULES, "items", "S", id_, "N", str(timestamp))
    told = b"".join(frame(part.encode()) for part in parts)
    key = code_by_another_implementation(generation, ("S", b""))[:8]
    code = code_by_another_implementation(generation, ("B", told))
    place = RecordKey(ITEMS, (id_, str(timestamp)))
    assert Marks(Pseudonyms(ROOT, generation)).made(RULES, place) == f"{RULES}.{key}.{code}"


PLACE = OBJECTS.record("incoming/c_1.csv")


@pytest.mark.parametrize(
    ("mark", "doubt"),
    [
        (MARKS.made(RULES, PLACE), None),
        (MARKS.made(OTHERS, PLACE), Doubt.POLICY),
        (Marks(Pseudonyms(ROOT, 2)).made(RULES, PLACE), Doubt.KEY),
        (Marks(Pseudonyms(bytes(32), 1)).made(RULES, PLACE), Doubt.KEY),
        (RULES, Doubt.RELEASE),
        (OTHERS, Doubt.RELEASE),
        (MARKS.made(RULES, OBJECTS.record("incoming/c_2.csv")), Doubt.SEAL),
        (MARKS.made(RULES, RecordKey(Dataset("other", Kind.BUCKET, OBJECTS.key), PLACE.values)), Doubt.SEAL),
        (MARKS.made(OTHERS, PLACE).replace(OTHERS, RULES), Doubt.SEAL),
        (MARKS.made(RULES, PLACE)[:-1], Doubt.SEAL),
        (MARKS.made(RULES, PLACE) + ".", Doubt.SEAL),
        (RULES + ".", Doubt.SEAL),
        (f"{RULES}..", Doubt.SEAL),
        ("of somebody", Doubt.SEAL),
        ("\ud800.\ud800", Doubt.SEAL),
    ],
)
def test_a_mark_is_taken_for_what_it_proves_and_a_forged_one_for_none(mark: str, doubt: Doubt | None) -> None:
    assert MARKS.doubt(mark, RULES, PLACE) is doubt


@pytest.mark.parametrize("change", [str.upper, lambda text: text[::-1], lambda text: text[:-1] + "\0"])
@given(mark=st.text(max_size=80))
def test_no_text_but_the_mark_itself_proves_anything(change: Callable[[str], str], mark: str) -> None:
    assert MARKS.doubt(mark, RULES, PLACE) is not None
    assert MARKS.doubt(change(MARKS.made(RULES, PLACE)), RULES, PLACE) is not None


def test_two_keys_of_the_same_text_have_marks_of_their_own() -> None:
    pair = Dataset("pair", Kind.TABLE, (KeyAttribute("a", KeyType.STRING), KeyAttribute("b", KeyType.STRING)))
    marks = {MARKS.made(RULES, pair.record(*values)) for values in (("ab", "c"), ("a", "bc"), ("a", "b"))}
    assert len(marks) == 3
