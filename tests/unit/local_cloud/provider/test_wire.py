from google.protobuf import struct_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from local_cloud.provider.wire import UNKNOWN, Archive, decode, encode, has_unknown

SIGNATURE = "4dabf18193072939515e22adb298388d"

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.just(UNKNOWN),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def _struct(**values: object) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(values)
    return struct


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(), values))
def test_what_is_encoded_is_decoded_as_it_was(properties: dict[str, object]) -> None:
    assert decode(encode(properties)) == properties


def test_a_whole_number_comes_back_as_an_integer() -> None:
    decoded = decode(_struct(whole=3, part=3.5))
    assert decoded == {"whole": 3, "part": 3.5}
    assert isinstance(decoded["whole"], int)


def test_a_secret_is_unwrapped() -> None:
    secret = {SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "value": "hidden"}
    assert decode(_struct(secret=secret)) == {"secret": "hidden"}


def test_every_kind_of_unknown_is_unknown() -> None:
    unknowns = ["04da6b54-80e4-46f7-96ec-b56ff0331ba9", "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2"]
    assert decode(_struct(unknowns=unknowns)) == {"unknowns": [UNKNOWN, UNKNOWN]}


def test_an_unknown_is_found_at_any_depth() -> None:
    assert has_unknown({"a": [{"b": UNKNOWN}]})
    assert not has_unknown({"a": [{"b": "04da6b54"}]})


def test_an_archive_keeps_its_hash_and_path_both_ways() -> None:
    archive = {SIGNATURE: "0def7320c3a5731c473e5ecbe6d01bc7", "hash": "abc", "path": "build"}
    decoded = decode(_struct(code=archive))["code"]
    assert decoded == Archive(hash="abc", path="build")
    assert encode({"code": decoded}) == _struct(code=archive)


def test_archives_are_equal_by_their_content() -> None:
    assert Archive(hash="abc", path="here") == Archive(hash="abc", path="there")
    assert Archive(hash="abc", path="here") != Archive(hash="def", path="here")
