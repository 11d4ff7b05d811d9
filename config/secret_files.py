"""Random keys that are made once beside the embedded database and read ever after."""

import os
import secrets
from pathlib import Path


def kept_secret(folder: Path, name: str, *, make: bool) -> str:
    """The key in ``folder/name``, made on first use where ``make`` allows it; '' where there is none.

    Two processes that start at once end up with the same key: the file appears whole, under its name, once.
    """
    file = folder / name
    if file.is_file():
        return file.read_text().strip()
    if not make:
        return ""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{name}.{os.getpid()}"
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(48) + "\n")
    try:
        os.link(draft, file)
    except FileExistsError:
        pass  # another process was first; its key is the key
    finally:
        draft.unlink()
    return file.read_text().strip()
