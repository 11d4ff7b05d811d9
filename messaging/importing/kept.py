"""The files that imports are made from, kept outside everything that is served: ``DATA_DIR/imports``.

On several hosts DATA_DIR must be a folder that all of them see. A file is removed a week after its import has ended:
each row that was imported is kept as evidence of its own contact, and can be erased there without touching others'.
"""

import hashlib
import os
import re
import time
import unicodedata
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.template.defaultfilters import filesizeformat

from messaging.importing.sheets import SheetError
from messaging.models import ImportBatch

_NEW_SECONDS = 3600
_NAME = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Kept:
    """A file as it was uploaded; ``uuid`` is that of the batch it becomes."""

    uuid: uuid.UUID
    name: str
    size: int
    sha256: str

    @property
    def path(self) -> Path:
        return path_of(self.uuid)

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)


def folder() -> Path:
    found = Path(settings.DATA_DIR) / "imports"
    found.mkdir(parents=True, exist_ok=True, mode=0o700)
    return found


def path_of(batch: uuid.UUID) -> Path:
    return folder() / batch.hex


def keep(name: str, blocks: Iterable[bytes]) -> Kept:
    """Write a file down as it comes. Raises SheetError where it is larger than IMPORT_BYTES; nothing is left then."""
    kept, size, digest = uuid.uuid4(), 0, hashlib.sha256()
    path = path_of(kept)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for block in blocks:
                size += len(block)
                if size > settings.IMPORT_BYTES:
                    raise SheetError(
                        f"This file is larger than {filesizeformat(settings.IMPORT_BYTES)}. Cut it into several files; "
                        "each of them becomes an import of its own."
                    )
                digest.update(block)
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Kept(kept, readable(name), size, digest.hexdigest())


def readable(name: str) -> str:
    """The last part of a file's name, without what would hide or fake something."""
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(char for char in last if unicodedata.category(char)[0] not in "CZ" or char == " ").strip()
    return shown[-100:] or "file"


def checked(batch: ImportBatch) -> Path:
    """Where the file of a batch lies. Raises SheetError where it is gone, or no longer what was uploaded."""
    path = path_of(batch.uuid)
    try:
        with path.open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == batch.sha256
    except OSError as error:
        raise SheetError("The file is no longer where it was kept. Upload it again.") from error
    if not same:
        raise SheetError("The file is no longer what was uploaded: its SHA-256 differs. Upload it again.")
    return path


def tidy(wanted: set[str]) -> None:
    """Remove every file that belongs to none of these batches (hex of their uuids). What was just uploaded has none
    yet."""
    for path in folder().iterdir():
        if _NAME.fullmatch(path.name) and path.name not in wanted and time.time() - _written(path) > _NEW_SECONDS:
            path.unlink(missing_ok=True)


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return time.time()  # somebody else has removed it
