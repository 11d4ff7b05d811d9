"""Files that prove something, kept outside everything that is served: ``DATA_DIR/evidence``, under random names.

On several hosts DATA_DIR must be a folder that all of them see. What a file is, its first bytes say; its name is only
kept for people.
"""

import hashlib
import logging
import os
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from consent.models import Contact, KeptFile, Line, User

log = logging.getLogger(__name__)

LARGEST = 5 * 1024 * 1024
ENDINGS = {
    KeptFile.Kind.PDF: ".pdf",
    KeptFile.Kind.PNG: ".png",
    KeptFile.Kind.JPEG: ".jpg",
    KeptFile.Kind.TEXT: ".txt",
}
_BEGINNINGS = {
    b"%PDF-": KeptFile.Kind.PDF,
    b"\x89PNG\r\n\x1a\n": KeptFile.Kind.PNG,
    b"\xff\xd8\xff": KeptFile.Kind.JPEG,
}
_CONTROLS = frozenset(chr(code) for code in [*range(32), 127]) - set("\t\n\r\f")


class FileRefused(ValueError):
    """Not a file that we keep. The message says why and what would be one."""


class FileLost(Exception):
    """The bytes are gone, or are no longer those that were kept."""


class Upload(Protocol):
    """What came with a form."""

    name: str | None
    size: int | None

    def read(self) -> bytes: ...


@dataclass(frozen=True)
class Checked:
    """A file whose content was looked at."""

    name: str
    kind: KeptFile.Kind
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def check(upload: Upload) -> Checked:
    """What was uploaded, read and recognised. Raises FileRefused."""
    if (upload.size or 0) > LARGEST:
        raise FileRefused("This file is larger than 5 MB. Save it smaller, or keep only the pages that matter.")
    content = upload.read()
    if not content:
        raise FileRefused("This file is empty.")
    kind = _kind(content)
    if kind is None:
        raise FileRefused("This is not a PDF, PNG, JPEG or text file, whatever its name says. Save it as one of these.")
    return Checked(_readable(upload.name or "file", kind), kind, content)


def _kind(content: bytes) -> KeptFile.Kind | None:
    for beginning, kind in _BEGINNINGS.items():
        if content.startswith(beginning):
            return kind
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if _CONTROLS & set(text) else KeptFile.Kind.TEXT


def _readable(name: str, kind: KeptFile.Kind) -> str:
    """The last part of a name, without what would hide or fake something, with the ending that fits the content."""
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(char for char in last if unicodedata.category(char)[0] not in "CZ" or char == " ")
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", shown.strip(" .")) or "file"
    return stem[:80].strip() + ENDINGS[kind]


@contextmanager
def keeping(checked: Checked | None, contact: Contact, line: Line, by: User) -> Iterator[KeptFile | None]:
    """Keep a file for what is done inside, in the same transaction: what fails there, leaves no file behind."""
    if checked is None:
        yield None
        return
    row = KeptFile(
        contact=contact,
        line=line,
        name=checked.name,
        kind=checked.kind,
        size=len(checked.content),
        sha256=checked.sha256,
        kept_by=by,
    )
    path = _path(row)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(checked.content)
        file.flush()
        os.fsync(file.fileno())
    try:
        row.save()
        yield row
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def as_evidence(row: KeptFile | None) -> dict[str, dict[str, str | int]]:
    """How evidence names a file; nothing for none."""
    if row is None:
        return {}
    return {
        "file": {
            "uuid": str(row.uuid),
            "name": row.name,
            "kind": str(row.kind),
            "size": row.size,
            "sha256": row.sha256,
        }
    }


def opened(row: KeptFile) -> BinaryIO:
    """The bytes as they were kept. Raises FileLost where they are not."""
    try:
        file = _path(row).open("rb")
    except OSError as error:
        raise FileLost("This file is no longer where it was kept.") from error
    if hashlib.file_digest(file, "sha256").hexdigest() != row.sha256:
        file.close()
        raise FileLost("This file is no longer what was kept: its SHA-256 differs from the one in the evidence.")
    file.seek(0)
    return file


def erase(rows: QuerySet[KeptFile]) -> None:
    """Forget these files. The rows stay without a name or a hash; the bytes go when the transaction has ended well."""
    paths = [_path(row) for row in rows]
    rows.update(name="erased", size=0, sha256="")
    transaction.on_commit(partial(_remove, paths))


def _remove(paths: list[Path]) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            # Whoever runs the install has to remove it by hand: its name says nothing, and the row still names it.
            log.exception("an erased file could not be removed: %s", path.name)


def _path(row: KeptFile) -> Path:
    return Path(settings.DATA_DIR) / "evidence" / row.uuid.hex
