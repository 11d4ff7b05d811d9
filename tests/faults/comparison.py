"""What really left, by the simulator's log, against what the database believes."""

from collections import Counter
from datetime import datetime
from typing import Any

from tests.faults.engine import PACE, Engine, Row, until

# A claim is followed by its call within two seconds or given back.
CLAIM_SECONDS = 2.0
LEFT = ("sent", "delivered", "undelivered")

_TEXTS = """
SELECT m.uuid::text, m.status, m.reason, m.purpose, m.body, m.sent_body, m.provider_id, m.look_ups,
    extract(epoch FROM m.created)::float AS created, extract(epoch FROM m.claimed_at)::float AS claimed_at,
    c.number AS contact, l.number AS line, r.provider_id AS answers
FROM messaging_message m JOIN messaging_conversation v ON v.id = m.conversation_id
    JOIN consent_contact c ON c.id = v.contact_id JOIN consent_line l ON l.id = v.line_id
    LEFT JOIN messaging_receipt r ON r.id = m.receipt_id
WHERE m.direction = 'out' ORDER BY m.id
"""


def texts(engine: Engine) -> list[Row]:
    """Every text to a contact."""
    return engine.rows(_TEXTS)


def moment(entry: dict[str, Any]) -> float:
    return datetime.fromisoformat(entry["at"]).timestamp()


def in_motion(engine: Engine) -> int:
    """Texts on their way and webhooks that have no effect yet."""
    return engine.count(
        "FROM (SELECT 1 FROM messaging_message WHERE status IN ('queued', 'deferred', 'sending')"
        " UNION ALL SELECT 1 FROM messaging_receipt WHERE settled_at IS NULL) AS something"
    )


def wait_until_still(engine: Engine, seconds: float = 120.0) -> None:
    """Until nothing is in motion and the fate of every text that left is known."""

    def still() -> bool:
        return not in_motion(engine) and not _open_fates(engine)

    until(still, "everything at rest", seconds)


def _open_fates(engine: Engine) -> set[str]:
    unknown = engine.rows("SELECT sent_body FROM messaging_message WHERE status = 'unknown'")
    return {row["sent_body"] for row in unknown} & {entry["body"] for entry in engine.left()} if unknown else set()


def compare(engine: Engine) -> dict[str, Any]:
    """Every text left at most once, whole, to whom it was meant, and the database knows which did. Gives figures.

    Texts of unknown fate must be those that did not leave: their sender was killed between the claim and the call.
    """
    ours, left = texts(engine), engine.left()
    by_id = {text["provider_id"]: text for text in ours if text["provider_id"]}
    for entry in left:
        text = by_id.get(entry["sid"])
        assert text, f"left, and no text of ours knows: {entry}"
        assert (entry["body"], entry["to"], entry["from"]) == (text["sent_body"], text["contact"], text["line"])
        assert text["status"] in LEFT, f"left, and is not known to have left: {text}"
    sids = {entry["sid"] for entry in left}
    assert len(sids) == len(left)
    for text in ours:
        assert text["provider_id"] in sids or text["status"] not in LEFT, f"said to have left, and did not: {text}"
        assert text["status"] not in {"queued", "deferred", "sending"}, f"still on its way: {text}"
    words = Counter(entry["body"] for entry in left if by_id[entry["sid"]]["purpose"] == "ordinary")
    twice = [body for body, times in words.items() if times > 1]
    assert not twice, f"left twice: {twice}"
    delays = [moment(entry) - by_id[entry["sid"]]["created"] for entry in left]
    return {
        "texts": len(ours),
        "left": len(left),
        "found_by_look_up": sum(text["status"] in LEFT and text["look_ups"] > 0 for text in ours),
        "never_left_and_left_to_a_person": sum(text["status"] == "unknown" for text in ours),
        "longest_delay": f"{max(delays, default=0):.1f} s",
    }


def nothing_after_a_stop(engine: Engine, contact: str, answered: float) -> None:
    """Once the STOP's webhook was answered with 200, nothing was claimed but its confirmation, and what had been
    claimed before arrived soon."""
    latest = answered + CLAIM_SECONDS + float(PACE["PROVIDER_CONNECT_SECONDS"])
    by_id = {text["provider_id"]: text for text in texts(engine) if text["provider_id"]}
    for entry in engine.left():
        if entry["to"] != contact or by_id[entry["sid"]]["purpose"] == "opt_out_confirmation":
            continue
        claimed = by_id[entry["sid"]]["claimed_at"]
        assert claimed <= answered, f"claimed {claimed - answered:.3f} s after the STOP was answered: {entry}"
        assert moment(entry) <= latest, f"arrived {moment(entry) - answered:.3f} s after the STOP: {entry}"


def stopped(engine: Engine, contact: str, answered: float) -> float:
    """The STOP of this contact acted on every line, was confirmed exactly once, and nothing else left after it.

    Gives after how many seconds the confirmation left.
    """
    nothing_after_a_stop(engine, contact, answered)
    query = "FROM consent_consent s JOIN consent_contact c ON c.id = s.contact_id WHERE number = %s AND status != %s"
    assert not engine.count(query, contact, "opted_out"), f"{contact} texted STOP and is not opted out"
    confirmations = [
        text
        for text in texts(engine)
        if text["contact"] == contact and text["purpose"] == "opt_out_confirmation" and text["status"] in LEFT
    ]
    assert len(confirmations) == 1, f"confirmations of one STOP: {confirmations}"
    [sid] = [text["provider_id"] for text in confirmations]
    return next(moment(entry) for entry in engine.left() if entry["sid"] == sid) - answered
