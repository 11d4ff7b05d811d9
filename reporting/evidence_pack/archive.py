"""The pack as a ZIP: JSON and CSV for machines, the PDF for people, the kept files, and a program that checks it."""

import csv
import datetime as dt
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from consent import kept_files
from reporting import files
from reporting.evidence_pack import paper
from reporting.evidence_pack.gathered import Event, Pack

FORMAT = "optline-evidence-1"
_SCRIPT = Path(__file__).with_name("verify.py")
COLUMNS = ("at", "recorded_at", "kind", "line", "what", "who", "where", "state", "why", "wording", "words")
_READ_ME = """Evidence pack {run}
Made {made} by {by}

evidence-pack.pdf   all of it, to be read
timeline.csv        every event, one in a row, times in UTC; a cell that a spreadsheet would run begins with '
pack.json           the same with all its details
chain.json          the ledger's entries and the evidence, as they are hashed
files/              files that were handed in as evidence
verify.py           checks all of this with nothing but Python 3.8 or later
SHA256SUMS          the SHA-256 of each file; "sha256sum -c SHA256SUMS" checks them

To check the pack, unpack it and run

    python3 -I verify.py

or, without unpacking, python3 -I verify.py PACK.zip with a verify.py that you trust: it is short, read it. It says
"Everything fits." and ends with 0, or names what does not and ends with 1.

What that shows: that this pack is whole and that its entries form one unbroken chain up to the head it names. That the
chain is the one that was written back then, and not a new one in its place, shows only a hash that somebody else kept:
the SHA-256 of this ZIP, an earlier pack, or one of Optline's daily seals, which hash the heads of all chains.
{hidden}"""
_HIDDEN = """
Of {count} entries only the hashes are here: they are about other lines. They link the chain and tell nothing else.
"""


def write(pack: Pack, file: IO[bytes]) -> None:
    """Write the ZIP to ``file``, one member after the other."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        writing = _Writing(archive, pack.made_at)
        by_hand = _READ_ME.format(
            run=pack.run,
            made=pack.made_at.astimezone(dt.UTC).isoformat(timespec="seconds"),
            by=pack.made_by,
            hidden=_HIDDEN.format(count=pack.proof.hidden) if pack.proof.hidden else "",
        )
        writing.add("README.txt", by_hand.encode())
        document = io.BytesIO()
        paper.write(pack, document)
        writing.add("evidence-pack.pdf", document.getvalue())
        writing.add("timeline.csv", b"".join(_timeline(pack)))
        writing.add("pack.json", _json(_told(pack)))
        writing.add("chain.json", _json({**_chain(pack), "files": list(_kept(pack, writing))}))
        writing.add("verify.py", _SCRIPT.read_bytes())
        writing.finish()


class _Writing:
    """Members are named once; the last one lists the SHA-256 of the others."""

    def __init__(self, archive: zipfile.ZipFile, made_at: dt.datetime) -> None:
        self._archive = archive
        self._at = made_at.astimezone(dt.UTC).timetuple()[:6]
        self._sums: dict[str, str] = {}

    def add(self, name: str, content: bytes) -> None:
        self._sums[name] = hashlib.sha256(content).hexdigest()
        self._write(name, content)

    def finish(self) -> None:
        self._write("SHA256SUMS", "".join(f"{digest}  {name}\n" for name, digest in self._sums.items()).encode())

    def _write(self, name: str, content: bytes) -> None:
        member = zipfile.ZipInfo(name, self._at)
        member.compress_type = zipfile.ZIP_DEFLATED
        member.external_attr = 0o600 << 16
        self._archive.writestr(member, content)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, default=_plain).encode()


def _plain(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return str(value)


def _timeline(pack: Pack) -> Iterator[bytes]:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for event in pack.events:
        cells = [getattr(event, name) or "" for name in COLUMNS]
        rows.writerow([files.guarded(each) if isinstance(each, str) else _plain(each) for each in cells])
    yield text.getvalue().encode()


def _told(pack: Pack) -> dict[str, Any]:
    contact = pack.contact
    return {
        "format": FORMAT,
        "pack": {"id": pack.run, "made_at": pack.made_at, "made_by": pack.made_by, "reason": pack.reason},
        "company": pack.company,
        "contact": {
            "uuid": str(contact.uuid),
            "number": contact.number,
            "first_name": contact.first_name,
            "last_name": contact.last_name,
            "do_not_contact": pack.listed,
        },
        "every_line": pack.whole,
        "lines": [vars(each) for each in pack.standings],
        "after_opt_outs": [{**vars(each), "seconds": each.seconds} for each in pack.after_stops],
        "ledger_fitted_together": not pack.fault,
        "ledger_problem": pack.fault,
        "wordings": [vars(each) for each in pack.wordings],
        "events": [_event(each) for each in pack.events],
    }


def _event(event: Event) -> dict[str, Any]:
    own = {name: getattr(event, name) for name in COLUMNS}
    return {**own, **event.more}


def _chain(pack: Pack) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "contact": str(pack.contact.uuid),
        "length": pack.length,
        "head": pack.head,
        "entries": pack.proof.entries,
        "evidence": pack.proof.evidence,
    }


def _kept(pack: Pack, writing: _Writing) -> Iterator[dict[str, Any]]:
    for place, row in enumerate(pack.proof.files, 1):
        told = {"uuid": str(row.uuid), "name": row.name, "sha256": row.sha256, "path": "", "problem": ""}
        try:
            with kept_files.opened(row) as file:
                told["path"] = f"files/{place}-{row.name}"
                writing.add(told["path"], file.read())
        except kept_files.FileLost as error:
            told.update(path="", problem=str(error))
        yield told
