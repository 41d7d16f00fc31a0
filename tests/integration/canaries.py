"""Canaries: secrets in every channel by which a value could leave production, and the policy for them."""

import base64
import csv
import gzip
import io
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

__all__ = ["KEPT", "POLICY", "Canaries"]

KEPT = "kept-word-of-no-person"
"""What the policy keeps: a hunt that does not find it looks in the wrong places."""

_ROW = """
          id: {pseudonym: who}
          timestamp: keep
          state: keep
          text: {pseudonym: what}
          gone: drop
          mail: {email: what}
          number: {pseudonym: what, type: N}
"""

POLICY = f"""
version: 1
generation: 1
unclassified: refuse
namespaces: {{who: {{}}, what: {{}}, run: {{}}}}
datasets:
  items:
    key: {{id: {{pseudonym: who}}, timestamp: keep}}
    attributes:
      state: keep
      text: {{pseudonym: what}}
      gone: drop
      mail: {{email: what}}
      number: {{pseudonym: what}}
      digits: {{digits: {{keep_last: 2}}}}
      phone: {{digits: {{keep_last: 2}}}}
      person: {{fake: names}}
      range: {{bucket: 10000000000000000}}
      account: {{last: 2}}
      note: {{replace: "-"}}
      message: {{redact: [email, card, iban, token]}}
      blob: {{pseudonym: what}}
      texts: {{pseudonym: what}}
      numbers: {{pseudonym: what}}
      blobs: {{pseudonym: what}}
      nested.*: drop
      list[].deep.inner: {{pseudonym: what}}
      names{{}}: {{names: {{pseudonym: who}}, values: {{pseudonym: what}}}}
  objects:
    - match: incoming/{{who}}/{{file}}.csv
      key: {{who: {{pseudonym: who}}, file: keep}}
      body:
        format: csv
        columns: &row{_ROW}
      headers: &dropped {{"*": drop}}
      metadata: &texts {{state: keep, named: {{pseudonym: what}}, "*": drop}}
      tags: *texts
    - match: incoming/{{who}}/{{file}}.csv.gz
      key: &key {{who: {{pseudonym: who}}, file: keep}}
      body: {{format: csv, columns: *row}}
      headers: *dropped
      metadata: *texts
      tags: *texts
    - match: incoming/{{who}}/{{file}}.jsonl
      key: *key
      body: &lines
        format: json-lines
        fields: &fields{_ROW.replace(", type: N", "")}          nested.*: drop
          list[].inner: {{pseudonym: what}}
      headers: *dropped
      metadata: *texts
      tags: *texts
    - match: incoming/{{who}}/{{file}}.jsonl.gz
      key: *key
      body: *lines
      headers: *dropped
      metadata: *texts
      tags: *texts
    - match: incoming/{{who}}/{{file}}.json
      key: *key
      body: {{format: json-array, fields: *fields}}
      headers: *dropped
      metadata: *texts
      tags: *texts
    - match: rejected/incoming/{{who}}/{{file}}.jsonl
      key: *key
      body: {{format: json-lines, fields: {{line: keep, record: keep, reason: keep}}}}
      metadata: {{run: {{pseudonym: run}}, "*": drop}}
      tags: {{"*": drop}}
    - match: assets/**
      body: {{opaque: {{reason: files of our own}}}}
      headers: *dropped
      metadata: *texts
      tags: *texts
"""


@dataclass
class Canaries:
    """What a test plants, by the channel that it is planted in; every value is this run's own."""

    values: dict[str, str | bytes] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    """What stands in keys: production's own queues and logs may name those."""

    def text(self, channel: str) -> str:
        """Return a secret text for a channel."""
        return self._planted(channel, f"canary-{secrets.token_hex(8)}")

    def mail(self, channel: str) -> str:
        """Return a secret address."""
        return self._planted(channel, f"canary.{secrets.token_hex(8)}@secret.example")

    def number(self, channel: str) -> str:
        """Return a secret number, of 21 digits, so that it looks like no card."""
        return self._planted(channel, str(secrets.randbelow(8 * 10**20) + 10**20))

    def data(self, channel: str) -> bytes:
        """Return secret bytes."""
        self.values[channel] = value = secrets.token_bytes(24)
        return value

    def key(self, channel: str) -> str:
        """Return a secret part of a key."""
        self.keys[channel] = value = f"canary-{secrets.token_hex(8)}"
        return value

    def _planted(self, channel: str, value: str) -> str:
        self.values[channel] = value
        return value

    def attributes(self, where: str) -> dict[str, Any]:
        """Return an item's attributes, a secret in each."""
        text, number, data = self.text, self.number, self.data
        return {
            "state": {"S": KEPT},
            "text": {"S": text(f"{where}: a text")},
            "gone": {"S": text(f"{where}: what is dropped")},
            "mail": {"S": self.mail(f"{where}: an address")},
            "number": {"N": number(f"{where}: a number")},
            "digits": {"N": number(f"{where}: a number's digits")},
            "phone": {"S": number(f"{where}: a text's digits")},
            "person": {"S": text(f"{where}: a name")},
            "range": {"N": number(f"{where}: a number in a range")},
            "account": {"S": text(f"{where}: all but the last of a text")},
            "note": {"S": text(f"{where}: what is replaced")},
            "message": {"S": f"write to {self.mail(f'{where}: an address in a text')}, please"},
            "blob": {"B": data(f"{where}: a binary")},
            "texts": {"SS": [text(f"{where}: a set's text"), text(f"{where}: a set's other text")]},
            "numbers": {"NS": [number(f"{where}: a set's number")]},
            "blobs": {"BS": [data(f"{where}: a set's binary")]},
            "nested": {"M": {"any": {"M": {text(f"{where}: a name below"): {"S": text(f"{where}: a text below")}}}}},
            "list": {"L": [{"M": {"deep": {"M": {"inner": {"S": text(f"{where}: a text in a list")}}}}}]},
            "names": {"M": {text(f"{where}: a map's name"): {"S": text(f"{where}: a map's text")}}},
        }

    def record(self, where: str, number: int) -> dict[str, Any]:
        """Return a record of a file, a secret in each field."""
        return {
            "id": self.key(f"{where}: an id"),
            "timestamp": number,
            "state": KEPT,
            "text": self.text(f"{where}: a text"),
            "gone": self.text(f"{where}: what is dropped"),
            "mail": self.mail(f"{where}: an address"),
            "number": int(self.number(f"{where}: a number")),
        }

    def told(self, where: str) -> dict[str, Any]:
        """Return an object's headers, metadata and tags, a secret in each."""
        metadata = {
            "state": KEPT,
            "named": self.text(f"{where}: metadata"),
            self.text(f"{where}: metadata's name"): self.text(f"{where}: metadata, dropped"),
        }
        tags = {
            "named": self.text(f"{where}: a tag"),
            self.text(f"{where}: a tag's name"): self.text(f"{where}: its text"),
        }
        named = self.text(f"{where}: a file's name in a header")
        return {
            "Metadata": metadata,
            "Tagging": urlencode(tags),
            "ContentDisposition": f'attachment; filename="{named}"',
        }

    def files(self) -> Mapping[str, bytes]:
        """Return a good file of each format, with a secret in its key and in each of its fields."""
        made: dict[str, bytes] = {}
        for number, name in enumerate(("a.csv", "b.csv.gz", "c.jsonl", "d.jsonl.gz", "e.json"), start=1):
            record = self.record(name, 100 + number)
            if "json" in name:
                record["nested"] = {"any": self.text(f"{name}: a text below")}
                record["list"] = [{"inner": self.text(f"{name}: a text in a list")}]
            body = _csv([record]) if "csv" in name else json.dumps([record] if name == "e.json" else record).encode()
            made[f"incoming/{self.key(f'{name}: its key')}/{name}"] = gzip.compress(body) if ".gz" in name else body
        return made

    def refused_files(self) -> Mapping[str, bytes]:
        """Return files that the policy, or a reader, refuses, each for a reason of its own."""
        record = {name: self.record(f"refused, {name}", 200) for name in ("field", "type", "line", "cut", "latin")}
        record["field"][self.text("refused: a field's name")] = self.text("refused: a field that no rule knows")
        record["type"]["text"] = {"deep": self.text("refused: a map where a text is to be")}
        record["line"]["text"] = self.text("refused: a text of a line that is no JSON")
        bodies = {
            "field.jsonl": json.dumps(record["field"]).encode(),
            "type.jsonl": json.dumps(record["type"]).encode(),
            "line.jsonl": json.dumps(record["line"]).encode()[:-1] + b", broken\n",
            "cut.jsonl.gz": gzip.compress(json.dumps(record["cut"]).encode() * 50)[:-20],
            "latin.csv": _csv([{**record["latin"], "text": f"caf\u00e9 {self.text('refused: Latin-1')}"}], "latin-1"),
            "quote.csv": b'id,timestamp,text\nx,1,"' + self.text("refused: an open quote").encode() + b"\n",
            "column.csv": f"id,timestamp,{self.text('refused: a column')}\nx,1,y\n".encode(),
        }
        made = {f"incoming/{self.key(f'refused, {name}: its key')}/{name}": body for name, body in bodies.items()}
        # An ETag is the hash of a whole body, and S3's own events tell it: docs/masking.md.
        body = f"a file of {self.text('refused: a body')}".encode()
        return {**made, f"elsewhere/{self.key('refused: a key that no rule knows')}": body}

    def refused_items(self) -> Mapping[str, dict[str, Any]]:
        """Return the attributes of items that the policy refuses, by the reason."""
        text, mail = self.text, self.mail
        return {
            "name": {text("refused: an attribute's name"): {"S": text("refused: an attribute that no rule knows")}},
            "type": {"mail": {"B": self.data("refused: a binary where a text is to be")}},
            "kept": {"state": {"S": f"ask {mail('refused: an address in what is kept')}"}},
            "map": {"text": {"M": {text("refused: a name below"): {"S": text("refused: a text below")}}}},
        }

    def rejected(self) -> bytes:
        """Return lines that the processor rejects one by one: they are in no table, and their reasons in a list."""
        good = self.record("rejected: a good line", 300)
        bad = {**self.record("rejected: a bad line", 301), "amount": self.text("rejected: a text for a number")}
        blob = base64.b64encode(self.data("rejected: a line that is no JSON"))
        return json.dumps(good).encode() + b"\n" + json.dumps(bad).encode() + b"\n" + blob + b"\n"


def _csv(records: list[dict[str, Any]], encoding: str = "utf-8") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, records[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode(encoding)
