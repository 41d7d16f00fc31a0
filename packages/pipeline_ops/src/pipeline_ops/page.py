"""A page that needs nothing else: headings, paragraphs and tables of texts, whatever others have written in them."""

from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as Html

from pipeline_ops.private_files import open_private
from pipeline_ops.shown import shown

__all__ = ["HtmlPage"]

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1f2933 }
table { border-collapse: collapse; margin: 1rem 0; width: 100% }
th, td { border-bottom: 1px solid #d9e2ec; padding: .3rem .6rem; text-align: left; vertical-align: top }
td.number { text-align: right; font-variant-numeric: tabular-nums }
code { overflow-wrap: anywhere }
"""


class HtmlPage:
    """A page of HTML, made from top to bottom. Each text is escaped, and what is invisible in it is told."""

    def __init__(self, title: str) -> None:
        self._page = Html.Element("html", lang="en")
        head = Html.SubElement(self._page, "head")
        Html.SubElement(head, "meta", charset="utf-8")
        Html.SubElement(head, "title").text = shown(title)
        Html.SubElement(head, "style").text = _STYLE
        self._body = Html.SubElement(self._page, "body")
        self.heading(title, level=1)

    def heading(self, text: str, *, level: int = 2) -> None:
        """Add a heading."""
        Html.SubElement(self._body, f"h{level}").text = shown(text)

    def paragraph(self, text: str) -> None:
        """Add a paragraph."""
        Html.SubElement(self._body, "p").text = shown(text)

    def table(self, headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
        """Add a table; its headings are left out where all are empty."""
        table = Html.SubElement(self._body, "table")
        if any(headings):
            row = Html.SubElement(table, "tr")
            for heading in headings:
                Html.SubElement(row, "th").text = heading
        for cells in rows:
            row = Html.SubElement(table, "tr")
            for position, cell in enumerate(cells):
                attributes = {"class": "number"} if cell.replace(",", "").isdecimal() else {}
                place = Html.SubElement(row, "td", attributes)
                (Html.SubElement(place, "code") if position == 0 and any(headings) else place).text = shown(cell)

    def write(self, path: Path) -> None:
        """Write it for its owner's eyes alone; raises OSError."""
        text = Html.tostring(self._page, encoding="unicode", method="html")
        with open_private(path) as file:
            file.write(f"<!doctype html>\n{text}\n")
