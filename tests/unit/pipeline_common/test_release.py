import pytest

from pipeline_common.release import (
    NEVER_RELEASED,
    UNKNOWN,
    Release,
    Version,
    deployed_version,
    deploying,
    version_described,
    with_version,
)


@pytest.mark.parametrize("text", ["v1.4.0", "v0.0.0+12.g0123456", "v1.4.0+3.gabc1234.dirty", "v0.0.0+unknown"])
def test_a_version_is_read_as_it_was_written(text: str) -> None:
    assert str(Version.parse(text)) == text


@pytest.mark.parametrize("text", ["", "v", "1.4.0", "v1.4", "v01.4.0", "v1.4.0-rc.1", "v1.4.0+", "vv1.4.0", "v1.4.0 "])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no version|not valid"):
        Version.parse(text)


def test_only_a_later_release_is_newer_and_not_what_came_after_one() -> None:
    release, later = Version.parse("v1.9.0"), Version.parse("v1.10.0")
    after = Version.parse("v1.9.0+3.gabc1234")
    assert later.is_newer_than(release)
    assert later.is_newer_than(after)
    assert not after.is_newer_than(release)
    assert not release.is_newer_than(after)
    assert not UNKNOWN.is_newer_than(NEVER_RELEASED)


def test_a_releases_tag_is_its_project_and_its_version() -> None:
    release = Release.parse("replication/v1.4.0")
    assert (release.project, str(release.version), str(release)) == ("replication", "v1.4.0", "replication/v1.4.0")


@pytest.mark.parametrize(
    "tag", ["v1.4.0", "/v1.4.0", "replication/1.4.0", "a/b/v1.4.0", "replication/v1.4.0+3.gabc1234"]
)
def test_a_tag_of_another_form_is_no_release(tag: str) -> None:
    with pytest.raises(ValueError, match=r"no release|no version"):
        Release.parse(tag)


def test_a_description_says_the_version_and_one_of_a_former_release_none() -> None:
    version = Version.parse("v1.4.0+3.gabc1234.dirty")
    assert version_described(with_version("Replicates (all of it)", version)) == version
    assert [version_described(text) for text in ("", "v1.4.0", "Replicates", "Replicates (all of it)")] == [None] * 4


def test_a_program_is_told_its_version_and_knows_of_none_by_hand() -> None:
    with deploying(Version.parse("v1.4.0")):
        assert str(deployed_version()) == "v1.4.0"
    assert deployed_version() is UNKNOWN
