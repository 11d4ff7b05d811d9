"""How ledger entries are hashed into a chain. Pure: entries come as plain values.

The formula is public, so that anyone can check a chain without Optline: SHA-256 over the tag ``optline-1`` and compact
UTF-8 JSON with sorted keys and no floats; times are UTC with microseconds.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from typing import Any

TAG = b"optline-1"

# What an entry's hash covers, in the names of its columns (line and contact by their uuid).
COVERED = (
    "contact__uuid",
    "line__uuid",
    "seq",
    "kind",
    "status_from",
    "status_to",
    "since",
    "source",
    "request_state",
    "level",
    "channel",
    "scope",
    "scope_category",
    "rule",
    "wording",
    "actor_id",
    "occurred_at",
    "recorded_at",
    "evidence_digest",
    "previous_hash",
)


# Covered where they hold something. Entries older than such a column keep the hash they were written with.
COVERED_WHERE_SET = ("until",)
READ = (*COVERED, *COVERED_WHERE_SET)


def canonical(value: Any) -> bytes:
    """Compact JSON with sorted keys. Raises TypeError on a float or on what JSON has no word for."""
    return canonical_of_plain(_plain(value))


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def canonical_of_plain(value: Any) -> bytes:
    """``canonical`` of what holds nothing but dicts with text keys, lists, text, whole numbers, truth and None."""
    return _encode(value).encode()


def covered(values: Mapping[str, Any]) -> dict[str, Any]:
    """What an entry's hash covers, as JSON has it; ``values`` has at least the keys of COVERED."""
    wanted = {name: values[name] for name in COVERED}
    wanted |= {name: values[name] for name in COVERED_WHERE_SET if values.get(name) is not None}
    plain: dict[str, Any] = _plain(wanted)
    return plain


def entry_hash(values: Mapping[str, Any]) -> str:
    """The hash of an entry; ``values`` has at least the keys of COVERED, as read from the database."""
    return hashlib.sha256(TAG + canonical(covered(values))).hexdigest()


# For many entries at once: the same hash from the JSON of each value, in the order in which the keys are sorted.
SORTED = tuple(sorted(COVERED))
_TEMPLATE = "{" + ",".join(f'"{name}":%s' for name in SORTED) + "}"


def fragment(value: Any) -> str:
    """The canonical JSON of one value, for ``hash_of_fragments``."""
    return canonical(value).decode()


def hash_of_fragments(fragments: tuple[str, ...]) -> str:
    """What ``entry_hash`` gives for the values whose fragments these are, in the order of SORTED.

    Ten times as fast where most fragments are used again and again, as in an import.
    """
    return hashlib.sha256(TAG + (_TEMPLATE % fragments).encode()).hexdigest()


def evidence_digest(salt: bytes, data: Mapping[str, Any]) -> str:
    return digest_of_canonical(salt, canonical(data))


def digest_of_canonical(salt: bytes, text: bytes) -> str:
    """``evidence_digest`` of data whose canonical JSON is ``text``."""
    return hashlib.sha256(bytes(salt) + text).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        # A TextChoices member is a str too; its plain value is what the database holds.
        return str(value) if isinstance(value, str) else value
    if hasattr(value, "hex") and not isinstance(value, float | bytes):
        return str(value)  # a UUID
    raise TypeError(f"{type(value).__name__} has no place in hashed data")
