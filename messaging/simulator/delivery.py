"""Webhooks and status callbacks leave here: signed, over real HTTP, from threads of this process.

What is owed is a row in the simulator's file before the REST call is answered, so a killed web process loses nothing:
another one, or the next, takes its rows over once their lease is up. A process that died while it delivered may
so deliver twice, as Twilio may. What one process owes because of one contact leaves in order; between processes there
is no order, as there is none at Twilio. What a fault delays, what comes after it overtakes.

Nothing is sent before the answer that caused it: jobs are announced with ``expect`` and start at ``release``.
"""

import json
import logging
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterable, Mapping
from queue import SimpleQueue
from urllib.parse import urldefrag, urlencode
from uuid import NAMESPACE_URL, uuid4, uuid5

import urllib3
from django.conf import settings

from messaging.simulator import carrier, store
from messaging.simulator.signing import sign

logger = logging.getLogger(__name__)

API_VERSION = "2010-04-01"
INBOUND_PATH = "/twilio/inbound/"
COURIERS = 4
LEASE_SECONDS = 6.0
HEARTBEAT_SECONDS = 2.0
WAIT_SECONDS = 15.0  # in all, as long as Twilio waits
# Only these are tried once more: the request did not get through. A slow answer or an error status is final.
_NOT_CONNECTED = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProtocolError,
    urllib3.exceptions.SSLError,
)

Job = tuple[int, str]  # id of the delivery, and its contact


class _Office:
    """The couriers of one process."""

    def __init__(self) -> None:
        self.name = uuid4().hex
        timeout = urllib3.Timeout(connect=5.0, total=WAIT_SECONDS)
        self.pool = urllib3.PoolManager(num_pools=8, maxsize=COURIERS, timeout=timeout, retries=False)
        self.unfinished = 0
        self.changed = threading.Condition()
        self.closing = threading.Event()
        self.queues: list[SimpleQueue[Job | None]] = [SimpleQueue() for _ in range(COURIERS)]
        self.threads = [
            threading.Thread(target=self._courier, args=(queue,), name=f"simulator-courier-{number}", daemon=True)
            for number, queue in enumerate(self.queues)
        ]
        self.threads.append(threading.Thread(target=self._keeper, name="simulator-keeper", daemon=True))
        for thread in self.threads:
            thread.start()

    def count(self, change: int) -> None:
        with self.changed:
            self.unfinished += change
            self.changed.notify_all()

    def put(self, job: Job) -> None:
        self.queues[zlib.crc32(job[1].encode()) % COURIERS].put(job)

    def close(self) -> None:
        self.closing.set()
        for queue in self.queues:
            queue.put(None)
        for thread in self.threads:
            thread.join(timeout=WAIT_SECONDS)
        self.pool.clear()

    def _courier(self, queue: "SimpleQueue[Job | None]") -> None:
        while (job := queue.get()) is not None:
            put_off = False
            try:
                put_off = self._put_off(job)
                if not put_off:
                    _deliver(self.pool, job[0])
            except Exception:  # one delivery that can't be made must not silence all those behind it
                logger.exception("The simulator could not make delivery %s", job[0])
            finally:
                if not put_off:
                    self.count(-1)

    def _put_off(self, job: Job) -> bool:
        """True where its time has not come yet: it comes back then."""
        wait = _wait(job[0])
        if wait <= 0:
            return False
        later = threading.Timer(wait, self.put, (job,))
        later.daemon = True
        later.start()
        return True

    def _keeper(self) -> None:
        while not self.closing.wait(HEARTBEAT_SECONDS):
            try:
                self._keep()
            except sqlite3.Error as error:  # busy or gone: the next beat tries again
                logger.warning("The simulator's file can't be used at the moment: %s", error)

    def _keep(self) -> None:
        if not settings.SIMULATOR or not store.path().is_file():
            return
        lease_until = time.time() + LEASE_SECONDS
        with store.writing() as db:
            store.renew_leases(db, self.name, lease_until)
            jobs = store.adopt_deliveries(db, self.name, lease_until)
        expect(jobs)
        release(jobs)


_office: _Office | None = None
_opening = threading.Lock()


def _after_fork() -> None:
    # Threads don't survive a fork; the child opens an office of its own when it needs one.
    global _office, _opening
    _office, _opening = None, threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def wake() -> None:
    """Start this process's couriers if they don't run yet; they also take over what a dead process left."""
    _open_office()


def owe(
    db: sqlite3.Connection,
    kind: store.LogKind,
    *,
    sid: str,
    contact: str,
    url: str,
    form: Mapping[str, str] | None = None,
    copies: int = 1,
    delay: float = 0.0,
    backwards: bool = False,
) -> Job:
    """Write down, in the transaction that causes it, a delivery that this process will make.

    ``delay``: after so many seconds. ``backwards``: a message's status callbacks come in the wrong order.
    """
    delivery_id = store.add_delivery(
        db,
        kind,
        sid=sid,
        contact=contact,
        url=url,
        form=form or {},
        copies=copies,
        owner=_open_office().name,
        lease_until=time.time() + LEASE_SECONDS,
        not_before=time.time() + delay if delay else 0.0,
        backwards=backwards,
    )
    return delivery_id, contact


def expect(jobs: Iterable[Job]) -> None:
    """Count jobs as unfinished, so that ``drain`` waits for them though they have not been released yet."""
    _open_office().count(len(list(jobs)))


def release(jobs: Iterable[Job]) -> None:
    """Let expected jobs leave."""
    office = _open_office()
    for job in jobs:
        office.put(job)


def drain(timeout: float) -> bool:
    """Wait until this process has delivered all it owes, at most ``timeout`` seconds. Whether it has."""
    office = _office
    if office is None:
        return True
    with office.changed:
        return office.changed.wait_for(lambda: office.unfinished == 0, timeout)


def stop() -> None:
    """End the couriers once they have made what is in their queues. The next delivery starts new ones."""
    global _office
    with _opening:
        office, _office = _office, None
    if office is not None:
        office.close()


def _open_office() -> _Office:
    global _office
    office = _office
    if office is None:
        with _opening:
            if _office is None:
                _office = _Office()
            office = _office
    return office


# ---- one delivery --------------------------------------------------------------------------------------------------


def inbound_form(
    sid: str, *, contact: str, line: str, body: str, media: int, segments: int, opt_out_type: str | None
) -> dict[str, str]:
    """The parameters with which Twilio tells of a contact's text."""
    form = {
        "MessageSid": sid,
        "SmsSid": sid,
        "SmsMessageSid": sid,
        "AccountSid": settings.TWILIO_ACCOUNT_SID,
        "From": contact,
        "To": line,
        "Body": body,
        "NumMedia": str(media),
        "NumSegments": str(segments),
        "SmsStatus": "received",
        "ApiVersion": API_VERSION,
    }
    for side, number in (("From", contact), ("To", line)):
        form |= {f"{side}Country": carrier.country(number), f"{side}State": "", f"{side}City": "", f"{side}Zip": ""}
    for picture in range(media):
        form[f"MediaUrl{picture}"] = (
            f"{settings.TWILIO_BASE_URL}/{API_VERSION}/Accounts/{settings.TWILIO_ACCOUNT_SID}/Messages/{sid}"
            f"/Media/ME{uuid5(NAMESPACE_URL, f'{sid}/{picture}').hex}"
        )
        form[f"MediaContentType{picture}"] = "image/jpeg"
    if opt_out_type:
        form["OptOutType"] = opt_out_type
    return form


def callback_form(message: sqlite3.Row, status: str) -> dict[str, str]:
    """The parameters with which Twilio tells how an outgoing message fares."""
    form = {
        "MessageSid": message["sid"],
        "SmsSid": message["sid"],
        "MessageStatus": status,
        "SmsStatus": status,
        "To": message["contact"],
        "From": message["line"],
        "AccountSid": settings.TWILIO_ACCOUNT_SID,
        "ApiVersion": API_VERSION,
    }
    if message["service"]:
        form["MessagingServiceSid"] = message["service"]
    if status == "undelivered":
        form["ErrorCode"] = str(message["will_fail_with"])
    return form


def _wait(delivery_id: int) -> float:
    """Seconds until this delivery may be made."""
    row = store.delivery(store.reading(), delivery_id)
    return row["not_before"] - time.time() if row else 0.0


def _deliver(pool: urllib3.PoolManager, delivery_id: int) -> None:
    row = store.delivery(store.reading(), delivery_id)
    if row is None:
        return
    if row["kind"] == store.LogKind.WEBHOOK:
        for _ in range(row["copies"]):
            _post(pool, row, json.loads(row["form"]), status="received")
    else:
        _report(pool, row)
    with store.writing() as db:
        store.end_delivery(db, delivery_id)


def _report(pool: urllib3.PoolManager, row: sqlite3.Row) -> None:
    """Move the message to sent, then to delivered or undelivered, and tell of each step where that was asked for."""
    steps: list[tuple[dict[str, str], str, int | None]] = []
    while (message := store.message(store.reading(), row["sid"])) is not None:
        fails = message["will_fail_with"]
        match message["status"]:
            case "queued":
                status, code = "sent", None
            case "sent":
                status, code = ("undelivered", fails) if fails else ("delivered", None)
            case _:
                break
        with store.writing() as db:
            store.set_status(db, row["sid"], status, code)
        steps.append((callback_form(message, status), status, code))
        if not row["backwards"]:
            _tell(pool, row, [steps.pop()])
    _tell(pool, row, reversed(steps))


def _tell(pool: urllib3.PoolManager, row: sqlite3.Row, steps: Iterable[tuple[dict[str, str], str, int | None]]) -> None:
    for form, status, code in steps if row["url"] else []:
        for _ in range(row["copies"]):
            _post(pool, row, form, status=status, code=code)


def _post(
    pool: urllib3.PoolManager, row: sqlite3.Row, form: dict[str, str], *, status: str, code: int | None = None
) -> None:
    """Post a signed form, once more if no connection came about, and log each try."""
    url, _overrides = urldefrag(row["url"])
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        "User-Agent": "TwilioProxy/1.1",
        "X-Twilio-Signature": sign(settings.TWILIO_AUTH_TOKENS[0], url, form),
        "I-Twilio-Idempotency-Token": str(uuid4()),
    }
    for _ in range(2):
        http_status, error, connected = None, "", True
        try:
            answer = pool.request("POST", url, body=urlencode(form), headers=headers, redirect=False)
            http_status = answer.status
        except _NOT_CONNECTED:
            error, connected = "no connection", False
        except urllib3.exceptions.HTTPError:
            error = "no answer in time"
        with store.writing() as db:
            store.add_log(
                db,
                store.LogKind(row["kind"]),
                sid=row["sid"],
                contact=row["contact"],
                sender=form["From"],
                recipient=form["To"],
                body=form.get("Body", ""),
                status=status,
                code=code,
                http_status=http_status,
                error=error,
            )
        if connected:
            return
    logger.warning("The %s for %s did not get through: no connection", row["kind"], row["sid"])
