"""How long a hold lasts, and what of it is read."""

import pytest

from pipeline_common.holds import Hold, standing_holds
from pipeline_common.release import Version

HOLD = Hold(version="11", release="v1.3.0", from_release="v1.4.0+2.gabc1234", by="somebody", at="2026-11-28")


@pytest.mark.parametrize(
    ("release", "stays"),
    [("v1.3.0", True), ("v1.4.0", True), ("v1.4.0+9.gdef5678.dirty", True), ("v1.4.1", False), ("v2.0.0+1.g0", False)],
)
def test_a_hold_stays_until_a_newer_release_than_the_one_that_was_found_bad(release: str, stays: bool) -> None:
    exported = {"targets": "dev,staging", "dev_held": HOLD.document(), "staging_held": {}}
    assert standing_holds(exported, Version.parse(release)) == ({"dev": HOLD} if stays else {})


def test_a_hold_from_no_release_ends_with_the_first_one() -> None:
    exported = {"targets": "dev", "dev_held": {**HOLD.document(), "from_release": ""}}
    assert standing_holds(exported, Version.parse("v0.0.0+7.gabc1234"))
    assert not standing_holds(exported, Version.parse("v0.0.1"))


def test_where_nothing_was_exported_nothing_is_held() -> None:
    assert standing_holds({}, Version.parse("v1.0.0")) == {}


@pytest.mark.parametrize("document", ["11", [], None, {"version": "11"}, {**HOLD.document(), "version": 11}])
def test_what_is_no_hold_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match="is no hold"):
        Hold.parse(document)
