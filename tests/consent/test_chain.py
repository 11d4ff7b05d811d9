"""How entries are hashed: a public formula that anyone can check (ARCHITECTURE "The ledger")."""

import datetime as dt
import hashlib
import json
import uuid
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from consent import chain, ledger, stored
from consent.ledger import Proof
from consent.models import LedgerEntry
from consent.vocabulary import EntryKind, Scope
from tests.make import make_contact, make_line

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


# ---- verifying many: the fast way makes the very same bytes ---------------------------------------------------------

_TIMES = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1), timezones=st.just(dt.UTC))
_HEX = st.one_of(st.just(""), st.text("0123456789abcdef", min_size=64, max_size=64))


@given(
    contact__uuid=st.uuids(),
    line__uuid=st.none() | st.uuids(),
    wording=st.none() | st.uuids(),
    seq=st.integers(1, 2**31),
    actor_id=st.none() | st.integers(1, 2**63),
    occurred_at=_TIMES,
    recorded_at=_TIMES,
    since=st.none() | _TIMES,
    until=st.none() | _TIMES,
    evidence_digest=_HEX,
    previous_hash=_HEX,
    words=st.lists(st.text(), min_size=10, max_size=10),
)
def test_the_fast_hash_of_an_entry_is_its_hash(words: list[str], **values: Any) -> None:
    named = ("kind", "status_from", "status_to", "source", "request_state", "level", "channel", "scope",
             "scope_category", "rule")  # fmt: skip
    values |= dict(zip(named, words, strict=True))
    assume(_encodes("".join(words)))
    plain = chain.covered(values) | {"until": chain.covered(values).get("until")}
    names = ("contact__uuid", "line__uuid", *stored._HASHED)
    assert set(names) == set(chain.READ), "a column that is hashed is missing in the fast way"
    assert chain.stored_hash(*(plain[name] for name in names)) == chain.entry_hash(values)


@pytest.mark.parametrize("column", ["evidence_digest", "previous_hash", "occurred_at", "since", "wording"])
def test_what_would_break_out_of_its_column_has_no_hash(column: str) -> None:
    values: dict[str, Any] = dict.fromkeys(("contact__uuid", "line__uuid", *stored._HASHED), "")
    values[column] = 'x","kind":"opted_in'
    assert chain.stored_hash(*values.values()) == ""


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.text(), st.text() | _JSON, max_size=6), st.binary(min_size=32, max_size=32))
def test_the_fast_digest_of_evidence_is_its_digest(data: dict[str, Any], salt: bytes) -> None:
    text = json.dumps(dict(reversed(data.items())), indent=1)
    assume(_encodes(json.dumps(data, ensure_ascii=False)))
    assert chain.stored_evidence_digest(salt, text) == chain.evidence_digest(salt, data)


def _encodes(text: str) -> bool:
    try:
        return bool(text.encode()) or True
    except UnicodeEncodeError:
        return False


@pytest.mark.django_db
def test_times_and_ids_are_read_as_they_are_hashed() -> None:
    """Whichever database holds them, and however many zeros end them."""
    moments = [dt.datetime(2026, 3, 1, 2, 3, 4, micro, tzinfo=dt.UTC) for micro in (0, 1, 120000, 123456)]
    contact, line = make_contact(), make_line()
    for moment in moments:
        ledger.opt_out(contact, line, Proof("agent", {"words": "é\u2028"}), occurred_at=moment, scope=Scope.LINE)
    rows = stored.Stored(contact.pk, contact.pk)
    entries = rows.entries[contact.pk]
    assert [entry["occurred_at"] for entry in entries] == [chain._plain(moment) for moment in moments]
    assert all(entry["recomputed"] == entry["hash"] for entry in entries)
    assert rows.contacts[0]["uuid"] == str(contact.uuid)
