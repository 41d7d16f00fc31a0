"""Listings are read as botocore reads them, whatever an answer is."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from botocore import handlers
from hypothesis import given, settings
from hypothesis import strategies as st

from replication_core.aws.errors import StoreError
from replication_core.objects import listing_answers
from replication_core.objects.lean_reads import read_lean
from replication_core.objects.listing_answers import read_listings_fast
from replication_core.objects.listings import KeyRange, Listed, ListingPage, list_objects
from tests.unit.replication_core.answered import Answered

XMLNS = "http://s3.amazonaws.com/doc/2006-03-01/"


class Listings(Answered):
    def listed(self, body: bytes, status: int = 200) -> list[Listed] | str:
        """Return what a listing says, or that it can't be read."""
        self.body, self.status = body, status
        try:
            return list(list_objects(self.client, "bucket"))
        except StoreError as error:
            return error.kind


plain, fast, lean = Listings("s3"), Listings("s3"), Listings("s3")
read_listings_fast(fast.client)
lean.client = read_lean(lean.client)


def entry(listed: Listed, *, checksum: bool = False, encode: bool = True) -> str:
    told = "<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>" if checksum else ""
    return (
        f"<Contents><Key>{quote(listed.key) if encode else listed.key}</Key>"
        f"<LastModified>{listed.last_modified:%Y-%m-%dT%H:%M:%S}.000Z</LastModified>"
        f"<ETag>{listed.etag.replace(chr(34), '&quot;')}</ETag>{told}<Size>{listed.size}</Size>"
        f"<StorageClass>{listed.storage_class}</StorageClass></Contents>"
    )


def page(entries: Sequence[str], *, head: str = '<?xml version="1.0" encoding="UTF-8"?>\n', tail: str = "") -> bytes:
    return (
        f'{head}<ListBucketResult xmlns="{XMLNS}"><Name>bucket</Name><Prefix/><MaxKeys>1000</MaxKeys>'
        f"<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>{''.join(entries)}{tail}</ListBucketResult>"
    ).encode()


objects = st.builds(
    Listed,
    key=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
    size=st.integers(0, 5 * 2**40),
    etag=st.sampled_from(['"d41d8cd98f00b204e9800998ecf8427e"', '"d41d8cd98f00b204e9800998ecf8427e-12"']),
    last_modified=st.datetimes(datetime(2006, 3, 14), datetime(2100, 1, 1)).map(
        lambda time: time.replace(microsecond=0, tzinfo=UTC)
    ),
    storage_class=st.sampled_from(["STANDARD", "GLACIER_IR", "DEEP_ARCHIVE"]),
)


@settings(max_examples=200, deadline=None)
@given(listed=st.lists(objects, max_size=5), checksum=st.booleans())
def test_an_answer_as_s3_writes_it_is_read_without_botocores_parser(listed: list[Listed], checksum: bool) -> None:
    body = page([entry(each, checksum=checksum) for each in listed])
    assert fast.listed(body) == lean.listed(body) == plain.listed(body) == listed
    told: dict[str, Any] = {}
    listing_answers._take_entries_out({"status_code": 200, "body": body}, told)
    assert len(ListingPage.of(told).keys) == len(listed)


OBJECT = Listed("a", 1, '"e1"', datetime(2026, 1, 1, tzinfo=UTC))
ONE = entry(OBJECT)
OTHER = entry(Listed("b", 2, '"e2"', datetime(2026, 1, 2, tzinfo=UTC)))


def test_others_who_list_by_the_same_client_are_told_what_botocore_tells() -> None:
    found = []
    for listings in (plain, fast):
        listings.body, listings.status = page([ONE, OTHER]), 200
        answer = listings.client.list_objects_v2(Bucket="bucket")
        found.append({name: told for name, told in answer.items() if name != "ResponseMetadata"})
    assert found[0] == found[1]
    assert len(found[1]["Contents"]) == 2


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(page([ONE, "<!--", OTHER, "-->"]), id="an entry in a comment"),
        pytest.param(page(["<!--", ONE, OTHER, "-->"]), id="all entries in a comment"),
        pytest.param(page(["<![CDATA[", ONE, "]]>", OTHER]), id="character data"),
        pytest.param(page(["<Other>", ONE, OTHER, "</Other>"]), id="entries of another element"),
        pytest.param(page([ONE, "<Other>", OTHER, "</Other>"]), id="an entry of another element"),
        pytest.param(page([ONE, "\n", OTHER]), id="white space"),
        pytest.param(page([ONE, ONE.replace("<Size>", "<Size >")]), id="another spelling of a tag"),
        pytest.param(page([ONE, ONE.replace("<Size>1", "<Size>+1")]), id="a sign"),
        pytest.param(page([ONE, ONE.replace("<Size>1", "<Size>one")]), id="no number"),
        pytest.param(page([ONE, ONE.replace("2026-01-01", "2026-02-30")]), id="no such day"),
        pytest.param(page([ONE, ONE.replace("<Key>a", "<Key>&#97;&amp;")]), id="entities"),
        pytest.param(page([ONE, ONE.replace("<Key>a", "<Key>a\x01")]), id="a control character"),
        pytest.param(page([ONE, ONE.replace("<Key>a", "<Key>a\r\nb")]), id="an end of line"),
        pytest.param(page([ONE, ONE.replace("<Key>a", "<Key>\u00e9")]), id="a key that is not encoded"),
        pytest.param(page([ONE, ONE.replace("<Key>a", "<Key>a%")]), id="half an encoded character"),
        pytest.param(page([ONE, ONE.replace("<Key>a</Key>", "<Key/>")]), id="an empty key"),
        pytest.param(page([ONE, ONE.replace("<Key>a</Key>", "")]), id="no key"),
        pytest.param(page([ONE, ONE.replace("</Contents>", "<New>1</New></Contents>")]), id="an unknown field"),
        pytest.param(page([ONE], tail="<NewThing><Contents>1</Contents></NewThing>"), id="an unknown element"),
        pytest.param(page([ONE], tail="<Contents/>"), id="an empty entry"),
        pytest.param(page([ONE], head=""), id="no declaration"),
        pytest.param(page([ONE], head='<?xml version="1.0" encoding="UTF-16"?>'), id="another encoding"),
        pytest.param(page([ONE], head='<!DOCTYPE a [<!ENTITY e "x">]>'), id="a document type"),
        pytest.param(page([ONE], tail="<CommonPrefixes><Prefix>f/</Prefix></CommonPrefixes>"), id="folders"),
        pytest.param(page([ONE])[:-5], id="cut off at its end"),
        pytest.param(page([ONE, OTHER])[:-60], id="cut off in an entry"),
        pytest.param(page([ONE]) + b"<a/>", id="two documents"),
        pytest.param(page([ONE]).replace(b"<IsTruncated>false</IsTruncated>", b""), id="not said whether it is all"),
        pytest.param(page([]), id="empty"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"<Error><Code>SlowDown</Code></Error>", id="an error"),
        pytest.param(page([ONE]).replace(b"ListBucketResult", b"Error"), id="an error that holds entries"),
    ],
)
def test_what_s3_does_not_write_is_read_as_botocore_reads_it(body: bytes) -> None:
    assert fast.listed(body) == lean.listed(body) == plain.listed(body)


def test_botocore_looks_for_an_error_in_what_is_left_of_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    monkeypatch.setattr(handlers, "_looks_like_special_case_error", lambda _status, body: seen.append(body))
    assert fast.listed(page([ONE])) == [OBJECT]
    assert seen == [page([])]


def test_a_listing_goes_on_without_botocore_once_botocore_has_made_one_call() -> None:
    sent: list[Any] = []
    answered = Listings("s3", page([ONE]))
    answered.client.meta.events.register("before-send.s3", lambda request, **_: sent.append(request))
    client = read_lean(answered.client)
    for key_range, body in ((KeyRange(), [ONE]), (KeyRange("a b"), [ONE]), (KeyRange("0", "9"), [])):
        answered.body = page(body)
        list(list_objects(client, "bucket", "é/", key_range))
    assert ["amz-sdk-invocation-id" in request.headers for request in sent] == [True, False, False]
    assert [parse_qs(urlsplit(request.url).query) for request in sent[1:]] == [
        {"list-type": ["2"], "encoding-type": ["url"], "prefix": ["é/"], "start-after": ["a b"]},
        {"list-type": ["2"], "encoding-type": ["url"], "prefix": ["é/"], "start-after": ["0"]},
    ]
    assert {urlsplit(request.url)[:3] for request in sent} == {urlsplit(sent[0].url)[:3]}


def test_entries_of_an_answer_that_is_an_error_are_not_read() -> None:
    one = page([ONE])
    assert fast.listed(one, status=503) == lean.listed(one, status=503) == plain.listed(one, status=503)


@settings(max_examples=1000, deadline=None)
@given(data=st.data())
def test_an_answer_that_was_damaged_is_read_as_botocore_reads_it(data: st.DataObject) -> None:
    body = bytearray(page([ONE, OTHER], tail="<KeyCount>2</KeyCount>"))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        until = data.draw(st.integers(at, min(len(body), at + 12)))
        some = st.sampled_from(
            [b"<", b">", b"&", b"&lt;", b'"', b"/", b" ", b"<!--", b"-->", b"\xc3\xa9", b"<a>", b"</a>"]
        )
        body[at:until] = data.draw(st.one_of(st.binary(max_size=3), some))
    assert fast.listed(bytes(body)) == lean.listed(bytes(body)) == plain.listed(bytes(body))
