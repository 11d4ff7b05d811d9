"""How entries are hashed: a public formula that anyone can check (ARCHITECTURE "The ledger")."""

import datetime as dt
import hashlib
import json
import uuid

import pytest

from consent import chain
from consent.models import LedgerEntry
from consent.vocabulary import EntryKind

ENTRY = {
    "contact__uuid": uuid.UUID("11111111-1111-4111-8111-111111111111"),
    "line__uuid": uuid.UUID("22222222-2222-4222-8222-222222222222"),
    "seq": 1,
    "kind": "opted_out",
    "status_from": "opted_in",
    "status_to": "opted_out",
    "since": dt.datetime(2026, 12, 1, 12, 0, 0, 123456, tzinfo=dt.UTC),
    "source": "keyword",
    "request_state": "not_sent",
    "level": "",
    "channel": "keyword",
    "scope": "category",
    "scope_category": "transactional",
    "rule": "keyword:STOP",
    "wording": None,
    "actor_id": None,
    "occurred_at": dt.datetime(2026, 12, 1, 12, 0, 0, 123456, tzinfo=dt.UTC),
    "recorded_at": dt.datetime(2026, 12, 1, 12, 0, 1, tzinfo=dt.UTC),
    "evidence_digest": "ab" * 32,
    "previous_hash": "",
}


def test_the_formula_by_hand() -> None:
    """Recomputed from the description alone: tag, sorted keys, compact UTF-8 JSON, UTC with microseconds."""
    plain = {
        **ENTRY,
        "contact__uuid": "11111111-1111-4111-8111-111111111111",
        "line__uuid": "22222222-2222-4222-8222-222222222222",
        "since": "2026-12-01T12:00:00.123456Z",
        "occurred_at": "2026-12-01T12:00:00.123456Z",
        "recorded_at": "2026-12-01T12:00:01.000000Z",
    }
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert chain.entry_hash(ENTRY) == hashlib.sha256(b"optline-1" + text.encode()).hexdigest()


def test_every_column_that_matters_is_covered() -> None:
    """All but the primary key, the hash itself, and the keys for which uuids stand in."""
    columns = {field.attname for field in LedgerEntry._meta.concrete_fields} - {"id", "hash", "contact_id", "line_id"}
    assert columns | {"contact__uuid", "line__uuid"} == set(chain.READ)


@pytest.mark.parametrize("column", sorted(ENTRY))
def test_any_change_changes_the_hash(column: str) -> None:
    other = {
        "seq": 2,
        "since": None,
        "occurred_at": ENTRY["occurred_at"] + dt.timedelta(microseconds=1),
        "recorded_at": ENTRY["recorded_at"] + dt.timedelta(microseconds=1),
        "contact__uuid": uuid.uuid4(),
        "line__uuid": None,
        "actor_id": 7,
    }.get(column, "something else")
    assert chain.entry_hash({**ENTRY, column: other}) != chain.entry_hash(ENTRY)


def test_the_zone_in_which_a_time_is_given_does_not_matter() -> None:
    elsewhere = ENTRY["occurred_at"].astimezone(dt.timezone(dt.timedelta(hours=-8)))
    assert chain.entry_hash({**ENTRY, "occurred_at": elsewhere}) == chain.entry_hash(ENTRY)


def test_choices_are_hashed_by_their_value() -> None:
    assert chain.entry_hash({**ENTRY, "kind": EntryKind.OPTED_OUT}) == chain.entry_hash(ENTRY)


def test_canonical_json() -> None:
    assert chain.canonical({"b": [1, None, True], "a": "é🛑"}) == '{"a":"é🛑","b":[1,null,true]}'.encode()


@pytest.mark.parametrize("value", [1.5, b"bytes", {1, 2}, object(), {"deep": [0.1]}])
def test_what_has_no_place_in_hashed_data(value: object) -> None:
    with pytest.raises(TypeError):
        chain.canonical(value)


def test_evidence_is_hashed_with_its_salt() -> None:
    data = {"text": "STOP", "from": "+12065550142"}
    salt = bytes(range(32))
    expected = hashlib.sha256(salt + b'{"from":"+12065550142","text":"STOP"}').hexdigest()
    assert chain.evidence_digest(salt, data) == expected
    assert chain.evidence_digest(bytes(32), data) != expected
