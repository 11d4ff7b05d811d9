"""How long the list of contacts takes to come, at a million of them: python -m tests.benchmarks.changelist [--json]

On PostgreSQL, in a database made for it and thrown away. Timed is the whole page, from the request to the last byte.
Bars: with 1,000,000 contacts the unfiltered list takes at most twice as long as with 1,000, and a search by three or
more digits or letters at most 300 ms. The limit of a search is the same rows by one plain SQL statement. Filters are
measured too; no bar is set for them.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from tests.benchmarks import ground

ground.prepare()

from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402

from consent import search  # noqa: E402
from consent.models import User  # noqa: E402

FEW, MANY = 1_000, 1_000_000
RUNS = 15
SLOWER, SEARCH_MS = 2.0, 300

# A tenth of all contacts has no name. Numbers and names repeat as they do among people. All Zebedees came early: who
# reads the list from its newest end finds them last.
FILL = [
    """
    INSERT INTO consent_contact (uuid, number, first_name, last_name, language, unreachable, created, ledger_seq,
                                 ledger_head)
    SELECT gen_random_uuid(), '+1' || (2000000000 + (i::bigint * 7919) % 7999999993),
           CASE WHEN i % 10 = 0 THEN '' WHEN i BETWEEN 1001 AND 30000 THEN 'Zebedee'
                ELSE (ARRAY['Jane','Omar','Ann','José','María','Wei','Olivia','Sam','Ben','Chloé',
               'Aarav','Fatima','Lars','Ingrid','Kofi','Yuki','Pablo','Zoë','Nadia','Tom'])[1 + (i / 7) % 20] END,
           CASE WHEN i % 10 = 0 THEN '' ELSE (ARRAY['Smith','Garcia','Nguyen','Okafor','Lindqvist','O''Brien','Khan',
               'Silva','Müller','Rossi'])[1 + (i / 20) % 10] || (i % 997) END,
           '', '', now(), 0, ''
    FROM generate_series({first}, {last}) i
    """,
    """
    INSERT INTO consent_consent (contact_id, line_id, status, since, source, level, request_state, blocked_at_provider,
                                 review_since)
    SELECT c.id, l.id,
           CASE WHEN c.id % 25 = l.id THEN 'opted_out' WHEN c.id % 5 = 4 THEN 'not_defined' ELSE 'opted_in' END,
           now(),
           CASE WHEN c.id % 25 = l.id THEN 'keyword' WHEN c.id % 5 = 4 THEN '' WHEN c.id % 100000 = 5 THEN 'paper'
                ELSE 'web_form' END,
           '', 'not_sent', false, CASE WHEN c.id % 50000 = 7 THEN now() END
    FROM consent_contact c JOIN consent_line l ON c.id % 3 <> l.id % 3
    WHERE NOT EXISTS (SELECT 1 FROM consent_consent o WHERE o.contact_id = c.id)
    """,
    """
    INSERT INTO consent_contact_tags (contact_id, tag_id)
    SELECT c.id, t.id FROM consent_contact c JOIN consent_tag t ON c.id % 20 = t.id % 20
    ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO consent_donotcontact (number, digest, reason, added)
    SELECT number, md5(number), 'asked', now() FROM consent_contact WHERE id % 2000 = 0 ON CONFLICT DO NOTHING
    """,
]
TABLES = ["consent_contact", "consent_consent", "consent_contact_tags", "consent_donotcontact"]
LINES = """
    INSERT INTO consent_line (uuid, number, name, kind, category, mode, required_level, opt_outs_answered_by_provider,
                              registration, active, opened_at, language, footer_frequency)
    SELECT gen_random_uuid(), '+1206555010' || i, 'Line ' || i, 'long_code', 'transactional', 'consent', 'express',
           false, 'not_needed', true, now(), 'en', 'every'
    FROM generate_series(1, 3) i
"""
TAGS = "INSERT INTO consent_tag (name) SELECT 'tag ' || i FROM generate_series(1, 20) i"

SEARCHES = [
    "jane",
    "zebedee",
    "mar",
    "garcia12",
    "zzz",
    "josé",
    "555",
    "(206) 555-01",
    "2000791",
    "0142",
    "jane khan",
    "ann 2001",
]
FILTERS = [
    {"line": "1", "status": "opted_out"},
    {"line": "1", "status": "not_defined"},
    {"status": "not_defined"},
    {"status": "opted_in"},
    {"source": "paper"},
    {"review": "yes"},
    {"tag": "1"},
    {"list": "yes"},
    {"list": "no"},
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--many", type=int, default=MANY, help="contacts in the larger list")
    args = parser.parse_args()
    given = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        rows = measure(args.many)
    finally:
        connection.creation.destroy_test_db(given, verbosity=0)
    for row in rows:
        print(json.dumps(row) if args.json else _line(row))


def measure(many: int) -> list[dict[str, Any]]:
    assert not search.missing(connection), "the indexes for searching are missing"
    ground.give_defaults()
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(User.objects.create_superuser("root"))
    _run(LINES)
    _run(TAGS)
    _few_beside()
    _fill(1, many)
    few, most = in_turn(lambda: _page(client, {}), ["few, public", "public"])
    ratio = round(most / few, 2)
    rows = [
        {
            "name": f"changelist, {many:,} contacts",
            "value": round(most),
            "limit": round(few),
            "ratio": ratio,
            "bar": SLOWER,
            "holds": ratio <= SLOWER,
        }
    ]
    for term in SEARCHES:
        took = milliseconds(lambda term=term: _page(client, {"q": term}))  # type: ignore[misc]
        limit = milliseconds(lambda term=term: _plain(term))  # type: ignore[misc]
        rows.append(
            {
                "name": f"changelist, search {term!r}",
                "value": round(took),
                "limit": round(limit, 1),
                "ratio": round(took / limit, 1),
                "bar": SEARCH_MS,
                "holds": took <= SEARCH_MS,
            }
        )
    for chosen in FILTERS:
        took = milliseconds(lambda chosen=chosen: _page(client, chosen))  # type: ignore[misc]
        name = f"changelist, filter {chosen}"
        rows.append({"name": name, "value": round(took), "limit": None, "ratio": None, "bar": None, "holds": True})
    return rows


def milliseconds(call: Callable[[], object]) -> float:
    """Median over several runs; the first, which fills memories, is not counted."""
    found = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        call()
        found.append((time.perf_counter() - start) * 1000)
    return statistics.median(found[1:])


def in_turn(call: Callable[[], object], paths: list[str]) -> list[float]:
    """As ``milliseconds``, in each of these schemas by turns: what else the machine does then slows all of them."""
    found: list[list[float]] = [[] for _ in paths]
    for _ in range(RUNS + 1):
        for path, times in zip(paths, found, strict=True):
            _run(f"SET search_path TO {path}")
            start = time.perf_counter()
            call()
            times.append((time.perf_counter() - start) * 1000)
    return [statistics.median(times[1:]) for times in found]


def _page(client: Client, query: dict[str, str]) -> None:
    answer = client.get("/admin/consent/contact/", query)
    assert answer.status_code == 200, answer.status_code
    assert b"Optline" in answer.content


def _plain(term: str) -> None:
    """The newest fifty that fit, by one statement."""
    parts = ["".join(filter(str.isdigit, term))] if not any(map(str.isalpha, term)) else term.split()
    fits = "(upper(first_name) LIKE upper(%s) OR upper(last_name) LIKE upper(%s) OR number LIKE %s)"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, number FROM consent_contact WHERE {' AND '.join([fits] * len(parts))} "
            "ORDER BY id DESC LIMIT 50",
            [like for part in parts for like in [f"%{part}%"] * 3],
        )
        cursor.fetchall()


def _few_beside() -> None:
    """The same tables once more, in a schema of their own and with few contacts in them."""
    _run("CREATE SCHEMA few")
    for table in TABLES:
        _run(f"CREATE TABLE few.{table} (LIKE public.{table} INCLUDING ALL)")
    _run("SET search_path TO few, public")
    _fill(1, FEW)
    _run("SET search_path TO public")


def _fill(first: int, last: int) -> None:
    for statement in FILL:
        _run(statement.replace("{first}", str(first)).replace("{last}", str(last)))
    _run(f"VACUUM ANALYZE {', '.join(TABLES)}")


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _line(row: dict[str, Any]) -> str:
    if row["bar"] is None:
        return f"{row['name']}: {row['value']} ms"
    unit = "times as long as with 1,000" if row["bar"] == SLOWER else f"ms; plain SQL {row['limit']} ms"
    shown = f"{row['value']} ms, {row['ratio']} {unit}" if row["bar"] == SLOWER else f"{row['value']} {unit}"
    return f"{row['name']}: {shown}; bar {row['bar']}: {'holds' if row['holds'] else 'DOES NOT HOLD'}"


if __name__ == "__main__":
    main()
