"""What the benchmarks of the gate stand on: contacts in real places on lines that keep quiet hours, with a past.

A copy of the database of ``ground.use_consents``, where besides

- each who opted out did so at another minute,
- the numbers have area codes of eight states, two of them with a cap on texts; one contact in ten has a postal code,
- one contact in ten was asked for consent in the last 30 days, one in a hundred has a request open,
- one contact in five has a conversation with ten texts, and each thousandth a webhook that is not settled,
- one number in fifty is on the do-not-contact list, and marketing lines have lists to look at.

The hours of the tables are asked about, but allow the whole day: so it does not matter when a benchmark runs.
"""

import random

from tests.benchmarks import ground

CONTACTS = 20_000
AREA_CODES = ("206", "212", "305", "312", "405", "415", "512", "617")

_PAST = """
UPDATE consent_contact SET number = '+1' || (ARRAY{area_codes})[1 + id % {states}] || (2000000 + id),
    postal_code = CASE WHEN id % 10 = 0 THEN '98101' ELSE '' END;
UPDATE consent_consent SET opted_out_at = since - contact_id * interval '1 minute' WHERE status = 'opted_out';
UPDATE consent_line SET quiet_hours = true;
UPDATE consent_sendinghours SET opens = '00:00', closes = '00:00';

INSERT INTO consent_optinrequest (contact_id, line_id, kind, channel, created, left_at, sent_at, expires_at, outcome,
    ended_at)
SELECT c.id, l.id, 'ours', 'agent', at, at, at, at + interval '7 days',
    CASE WHEN c.id % 100 = 1 THEN '' ELSE 'accepted' END, CASE WHEN c.id % 100 = 1 THEN NULL ELSE at END
FROM consent_contact c CROSS JOIN consent_line l
    CROSS JOIN LATERAL (SELECT now() - (1 + c.id % 40) * interval '1 day' AS at) t WHERE c.id % 8 = 1;

INSERT INTO messaging_conversation (contact_id, line_id, last_activity)
SELECT c.id, l.id, now() FROM consent_contact c CROSS JOIN (SELECT min(id) AS id FROM consent_line) l
WHERE c.id % 5 = 2 ON CONFLICT DO NOTHING;
INSERT INTO messaging_message (conversation_id, line_id, direction, purpose, body, status, claimed_at, sent_at, created)
SELECT v.id, v.line_id, CASE WHEN n % 2 = 0 THEN 'in' ELSE 'out' END, CASE WHEN n % 2 = 0 THEN '' ELSE 'ordinary' END,
    'Hello', CASE WHEN n % 2 = 0 THEN 'received' ELSE 'delivered' END, at, at, at
FROM messaging_conversation v CROSS JOIN generate_series(1, 10) n
    CROSS JOIN LATERAL (SELECT now() - n * interval '7 hours' AS at) t;
INSERT INTO messaging_receipt (kind, provider_id, number, raw, received_at, settled_at)
SELECT 'inbound', 'SM' || c.id, c.number, '', now(), CASE WHEN c.id % 1000 = 3 THEN NULL ELSE now() END
FROM consent_contact c WHERE c.id % 5 = 3;
"""


def use_gate_ground(contacts: int = CONTACTS) -> None:
    """From now on the connection's database is the one described above."""
    from django.db import connection

    ground.use_consents(contacts)
    plain = connection.settings_dict["NAME"]
    name = f"{plain}_gate"
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    with ground._admin() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        there = cursor.fetchone()
        if not there:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}_new"')  # of a run that was broken off
            cursor.execute(f'CREATE DATABASE "{name}_new" TEMPLATE "{plain}"')
    connection.settings_dict["NAME"] = name if there else f"{name}_new"
    if not there:
        _give_a_past()
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
        with ground._admin() as cursor:
            cursor.execute(f'ALTER DATABASE "{name}_new" RENAME TO "{name}"')
        connection.settings_dict["NAME"] = name


def _give_a_past() -> None:
    from django.db import connection

    from consent.models import Contact, DoNotContact
    from consent.models.contact import suppression_digest

    with connection.cursor() as cursor:
        cursor.execute(_PAST.format(area_codes=list(AREA_CODES), states=len(AREA_CODES)))
    barred = Contact.objects.filter(pk__in=range(0, CONTACTS, 50)).values_list("number", flat=True)
    DoNotContact.objects.bulk_create(
        [DoNotContact(number=each, digest=suppression_digest(each), reason="Asked") for each in barred]
    )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def numbers(count: int) -> list[str]:
    """So many numbers, all different, from all over the table, one in ten of nobody who is known, in mixed order."""
    from consent.models import Contact

    known = list(Contact.objects.order_by("pk").values_list("number", flat=True))
    mixed = random.Random(count)
    unknown = [f"+1206555{serial:04}" for serial in range(count // 10)]
    return mixed.sample(mixed.sample(known, count - len(unknown)) + unknown, count)
