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
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def entry_hash(values: Mapping[str, Any]) -> str:
    """The hash of an entry; ``values`` has at least the keys of COVERED, as read from the database."""
    covered = {name: values[name] for name in COVERED}
    covered |= {name: values[name] for name in COVERED_WHERE_SET if values.get(name) is not None}
    return hashlib.sha256(TAG + canonical(covered)).hexdigest()


def evidence_digest(salt: bytes, data: Mapping[str, Any]) -> str:
    return hashlib.sha256(bytes(salt) + canonical(data)).hexdigest()


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
