"""What the documents for people refer to: files, headings, and names of this repository's code."""

import importlib
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMED = re.compile(
    r"`((?:pipeline_common|replication_core|queue_worker|record_files|replicator_lambda|processor_lambda|pipeline_ops|local_cloud"
    r"|storage_project|processing_project|replication_project|delivery_project)(?:\.\w+)+)`"
)


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_each_link_leads_to_a_file_and_to_a_heading_that_are_there(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if "://" not in link:
            name, _, anchor = link.partition("#")
            linked = document.parent / name if name else document
            assert linked.exists(), link
            assert not anchor or anchor in anchors(linked), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_each_name_of_our_code_that_a_document_mentions_is_there(document: Path) -> None:
    for name in NAMED.findall(document.read_text()):
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            try:
                found: object = importlib.import_module(".".join(parts[:length]))
            except ModuleNotFoundError:
                continue
            for attribute in parts[length:]:
                assert hasattr(found, attribute), name
                found = getattr(found, attribute)
            break


def test_the_readme_is_read_in_five_minutes() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 110


def test_each_file_that_the_architecture_draws_is_in_the_repository() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = {Path(line).name for line in tracked.splitlines()}
    drawn = re.findall(r"\b\w+\.py\b", (ROOT / "docs" / "architecture.md").read_text())
    assert set(drawn) <= names


def test_each_decision_has_a_number_of_its_own_which_its_title_tells() -> None:
    decisions = sorted((ROOT / "docs" / "adr").glob("*.md"))
    titles = [path.read_text().splitlines()[0] for path in decisions]
    assert [title.split()[:2] for title in titles] == [["#", path.name.partition("-")[0]] for path in decisions]
    assert len({path.name[:4] for path in decisions}) == len(decisions)
