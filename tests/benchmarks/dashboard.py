"""How long the dashboard takes with 1,000,000 consents: python -m tests.benchmarks.dashboard [--json]

The limit is the same page with 1,000 consents, measured in the same run; the bar is twice that. On PostgreSQL, in a
throw-away database beside the one of DATABASE_URL. Printed beside it: what counting the consents on each page load
would cost, and what the count in the background and a full recount take. Takes about three minutes.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable

from tests.benchmarks import ground

BAR = 2.0
FEW, MANY = 1_000, 1_000_000
RUNS = 15
STATUSES = ["opted_in", "opted_in", "opted_out", "pending", "not_defined"]
# Each consent has its contact and its entry; every second contact was asked, every fourth has a text. Who opted out did
# so by text, after three texts of ours. Times go back a year, evenly, so that the days that the page shows hold their
# share of it.
_ROWS = """
INSERT INTO consent_contact (uuid, number, first_name, last_name, language, unreachable, created, ledger_seq,
    ledger_head)
SELECT gen_random_uuid(), '+1' || (2000000000 + n), '', '', '', '', now(), 1, ''
FROM generate_series({first}, {last}) n;

CREATE TEMPORARY TABLE fresh ON COMMIT DROP AS
SELECT id AS contact, (ARRAY[{lines}])[1 + id % 4] AS line, now() - (id % 365) * interval '1 day' AS at,
       (ARRAY{statuses})[1 + id % 5] AS status
FROM consent_contact WHERE number BETWEEN '+1' || (2000000000 + {first}) AND '+1' || (2000000000 + {last});

INSERT INTO consent_consent (contact_id, line_id, status, source, level, request_state, blocked_at_provider)
SELECT contact, line, status, '', '', 'not_sent', false FROM fresh;

INSERT INTO consent_ledgerentry (contact_id, line_id, seq, kind, status_from, status_to, since, source, request_state,
    level, channel, scope, scope_category, rule, occurred_at, recorded_at, evidence_digest, previous_hash, hash)
SELECT contact, line, 1, CASE status WHEN 'pending' THEN 'asked' WHEN 'not_defined' THEN 'told' ELSE status END,
    'not_defined', status, at, 'keyword', 'not_sent', '', 'keyword', '', '',
    CASE status WHEN 'opted_out' THEN 'keyword:STOP' ELSE '' END, at, at, '', '', '' FROM fresh;

INSERT INTO consent_optinrequest (uuid, contact_id, line_id, kind, channel, basis, batch, level, created, left_at,
    sent_at, expires_at, outcome)
SELECT gen_random_uuid(), contact, line, 'ours', 'agent', '', '', 'express', at, at, at, at,
    CASE WHEN contact % 10 = 0 THEN 'accepted' ELSE 'expired' END FROM fresh WHERE contact % 2 = 0;

INSERT INTO messaging_conversation (contact_id, line_id, is_open, last_activity, last_place)
SELECT contact, line, true, at, 0 FROM fresh WHERE contact % 4 = 0 OR status = 'opted_out';

INSERT INTO messaging_message (uuid, conversation_id, direction, purpose, body, sent_body, status, reason, reason_text,
    place, tries, error_code, marks, meaning, rule, rules_version, media_count, created)
SELECT gen_random_uuid(), c.id, 'out', 'ordinary', 'Your order is ready', '',
    CASE WHEN c.id % 20 = 0 THEN 'refused' ELSE 'delivered' END,
    CASE WHEN c.id % 20 = 0 THEN 'opted_out' ELSE '' END, '', 1, 1, '', '[]', '', '', '', 0, at
FROM fresh JOIN messaging_conversation c ON c.contact_id = contact AND c.line_id = line WHERE contact % 4 = 0;

INSERT INTO messaging_message (uuid, conversation_id, direction, purpose, body, sent_body, status, reason, reason_text,
    place, tries, error_code, wording_id, marks, meaning, rule, rules_version, media_count, created, sent_at)
SELECT gen_random_uuid(), c.id, 'out', CASE WHEN n = c.id % 4 THEN 'request_ours' ELSE 'ordinary' END,
    'Your order is ready', '', 'delivered', '', '', 1 + n, 1, '',
    (SELECT current_id FROM messaging_template WHERE kind = 'request_ours' AND line_id IS NULL AND language = 'en'),
    '[]', '', '', '', 0, at - (4 - n) * interval '1 hour', at - (4 - n) * interval '1 hour'
FROM fresh JOIN messaging_conversation c ON c.contact_id = contact AND c.line_id = line, generate_series(1, 3) n
WHERE status = 'opted_out';

INSERT INTO messaging_receipt (kind, provider_id, discriminator, number, raw, received_at, settled_at, outcome, tries,
    needs_person, error)
SELECT 'inbound', contact, '', '', '', at, at, 'settled', 0, false, '' FROM fresh WHERE status = 'opted_out';

INSERT INTO messaging_message (uuid, conversation_id, direction, purpose, body, sent_body, status, reason, reason_text,
    place, tries, error_code, receipt_id, marks, meaning, rule, rules_version, media_count, created)
SELECT gen_random_uuid(), c.id, 'in', '', 'STOP', '', 'keyword', '', '', 0, 0, '', r.id, '[]', 'opt_out',
    'keyword:STOP', '', 0, at
FROM fresh JOIN messaging_conversation c ON c.contact_id = contact AND c.line_id = line
    JOIN messaging_receipt r ON r.provider_id = contact::text AND r.kind = 'inbound';
"""


def fill(first: int, last: int, lines: list[int]) -> None:
    from django.db import connection

    rows = _ROWS.format(first=first, last=last, lines=",".join(map(str, lines)), statuses=STATUSES)
    with connection.cursor() as cursor:
        cursor.execute(f"BEGIN;{rows}COMMIT")
        cursor.execute("VACUUM ANALYZE")


def milliseconds(work: Callable[[], object], runs: int = RUNS) -> float:
    """Median over several runs; the first, which fills caches, is not counted where there are several."""
    found = []
    for _ in range(runs + (runs > 1)):
        start = time.perf_counter()
        work()
        found.append(1000 * (time.perf_counter() - start))
    return statistics.median(found[runs > 1 :])


def measure() -> dict[str, object]:
    from django.db.models import Count
    from django.test import Client
    from django.utils import timezone

    from consent.models import Consent, User
    from consent.vocabulary import Status
    from reporting import figures
    from reporting.figures import What
    from reporting.models import Mark
    from tests.make import make_line

    ground.give_defaults()
    lines = [make_line(f"+1206555010{serial}", name=f"Line {serial}").pk for serial in range(4)]
    client = Client()
    client.force_login(User.objects.create_superuser("root"))

    def page() -> None:
        assert client.get("/admin/").status_code == 200

    def by_status() -> dict[str, int]:
        return dict(Consent.objects.order_by().values_list("status").annotate(number=Count("pk")))

    def count_until_done() -> None:
        """A write that is under way in any database of the server delays the end."""
        give_up = time.monotonic() + 60
        while not Mark.objects.filter(consent=Consent.objects.latest("pk").pk).exists():
            assert time.monotonic() < give_up, "somebody on this server keeps a transaction open"
            figures.count()

    fill(1, FEW, lines)
    count_until_done()
    few = milliseconds(page)
    fill(FEW + 1, MANY, lines)
    start = time.perf_counter()
    count_until_done()
    catching_up = 1000 * (time.perf_counter() - start)
    many = milliseconds(page)
    read = figures.read(timezone.localdate())
    assert {status: read.status(Status(status)) for status in set(STATUSES)} == by_status()
    first = figures.since(timezone.localdate(), figures.CHART_DAYS)
    assert read.by_key(What.LEFT_AFTER, first).total() == read.into(Status.OPTED_OUT, first) > FEW
    return {
        "name": "dashboard",
        "value": round(many, 1),
        "limit": round(few, 1),
        "ratio": round(many / few, 2),
        "bar": BAR,
        "holds": many / few <= BAR,
        "unit": "ms",
        "counting_consents_ms": round(milliseconds(by_status, 5), 1),
        "background_count_ms": round(milliseconds(figures.count, 5), 1),
        "catching_up_ms": round(catching_up),
        "recount_ms": round(milliseconds(figures.recount, 1)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    ground.prepare()
    from django.db import connection
    from django.test.utils import setup_test_environment

    setup_test_environment()
    given = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = f"optline_benchmark_{os.getpid()}"
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        result = measure()
    finally:
        connection.creation.destroy_test_db(given, verbosity=0)
    if args.json:
        print(json.dumps(result))
        return
    print(f"the page takes {result['value']} ms with {MANY:,} consents; with {FEW:,}: {result['limit']} ms")
    print(f"ratio {result['ratio']}; bar {BAR}: {'holds' if result['holds'] else 'DOES NOT HOLD'}")
    print(f"counting the consents on each page would add {result['counting_consents_ms']} ms")
    print(
        f"in the background: a count {result['background_count_ms']} ms, the first one after {MANY:,} new consents "
        f"{result['catching_up_ms']:,} ms, a full recount {result['recount_ms']:,} ms"
    )


if __name__ == "__main__":
    main()
