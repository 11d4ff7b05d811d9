"""How ledger entries are hashed into a chain. Pure: entries come as plain values.

The formula is public, so that anyone can check a chain without Optline: SHA-256 over the tag ``optline-1`` and compact
UTF-8 JSON with sorted keys and no floats; times are UTC with microseconds.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from json.encoder import encode_basestring
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


def stored_hash(
    contact: str, line: str | None, actor: int | None, channel: str, evidence: str, kind: str, level: str,
    occurred: str, previous: str, recorded: str, request_state: str, rule: str, scope: str, category: str, seq: int,
    since: str | None, source: str, status_from: str, status_to: str, until: str | None, wording: str | None,
) -> str:  # fmt: skip
    """``entry_hash`` of the same entry, several times as fast, for verifying many.

    Digests, times and uuids are text here, as JSON has them; the other words may be anything. It makes the very bytes
    of ``canonical``; a property test holds them together. '' where a digest, a time or a uuid is none.
    """
    unquoted = f"{evidence}{previous}{occurred}{recorded}{since}{until}{wording}"
    if '"' in unquoted or "\\" in unquoted:
        return ""
    q = _quoted
    end = "" if until is None else f'"until":"{until}",'
    text = (
        f'{{"actor_id":{"null" if actor is None else actor},"channel":{q[channel]},"contact__uuid":"{contact}",'
        f'"evidence_digest":"{evidence}","kind":{q[kind]},"level":{q[level]},"line__uuid":{_or_null(line)},'
        f'"occurred_at":"{occurred}","previous_hash":"{previous}","recorded_at":"{recorded}",'
        f'"request_state":{q[request_state]},"rule":{q[rule]},"scope":{q[scope]},"scope_category":{q[category]},'
        f'"seq":{seq},"since":{_or_null(since)},"source":{q[source]},"status_from":{q[status_from]},'
        f'"status_to":{q[status_to]},{end}"wording":{_or_null(wording)}}}'
    )
    return hashlib.sha256(TAG + text.encode()).hexdigest()


def stored_evidence_digest(salt: bytes, stored: str) -> str:
    """``evidence_digest`` of data that is read as JSON text in any order and spacing."""
    data = json.loads(stored)
    if type(data) is dict and all(type(value) is str for value in data.values()):
        text = ",".join([f"{_quoted[key]}:{_quote(data[key])}" for key in sorted(data)])
        return hashlib.sha256(bytes(salt) + f"{{{text}}}".encode()).hexdigest()
    return evidence_digest(salt, data)


class _Quoted(dict[str, str]):
    """Words as JSON, kept: most columns of an entry hold one of a few."""

    def __missing__(self, word: str) -> str:
        if len(self) > 10_000:
            self.clear()
        self[word] = text = _quote(word)
        return text


_quote = encode_basestring  # in C, where there is C
_quoted = _Quoted()


def _or_null(text: str | None) -> str:
    return "null" if text is None else f'"{text}"'


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
