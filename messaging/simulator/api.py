"""JSON for people and tests: text as a contact, read the log, ask for faults, set the lines.

Answers only on the machine itself. Bad input is 400 with {field: [what is wrong]}.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from messaging.simulator import calls, carrier, store, traffic
from messaging.simulator import faults as queue
from messaging.simulator.carrier import LineKind
from messaging.simulator.faults import Fault, FaultKind
from messaging.simulator.fields import Fields
from messaging.simulator.guard import AnsweredFirst, simulator_only, this_machine_only
from messaging.simulator.store import Direction

DEFAULT_SECONDS = {FaultKind.HANG: 15.0, FaultKind.DELAY_CALLBACKS: 5.0, FaultKind.DELAY_WEBHOOKS: 5.0}
DEFAULT_UNDELIVERED_CODE = 30003
LATEST_ON_PHONE = 200  # messages shown of each thread
LATEST_NUMBERS = 50


@csrf_exempt
@simulator_only
@this_machine_only
@require_http_methods(["POST"])
def inbound(request: HttpRequest) -> HttpResponse:
    """A contact texts: {from, to, body, media?: how many pictures, repeat?: how often the webhook comes}; 202 {sid}."""
    fields = Fields(request)
    contact, line = fields.sender("from"), fields.sender("to")
    body = fields.body("body")
    media = fields.number("media", default=0, least=0, most=10)
    repeat = fields.number("repeat", default=1, least=1, most=100)
    if refusal := fields.refusal():
        return refusal
    accepted = traffic.receive(contact=contact, line=line, body=body, media=media, repeat=repeat)
    return AnsweredFirst({"sid": accepted.sid}, jobs=accepted.jobs, status=202)


@csrf_exempt
@simulator_only
@this_machine_only
@require_http_methods(["POST"])
def call(request: HttpRequest) -> HttpResponse:
    """A contact calls, or presses a key: {from, to, withheld?}, then {from, to, sid, then, digits}.

    Answers {sid, says: [what was read out], then: where the next key goes, empty after the goodbye}. 502 where Optline
    did not answer as it should.
    """
    fields = Fields(request)
    contact, line = fields.phone("from"), fields.sender("to")
    withheld = fields.switch("withheld")
    sid, then = fields.text("sid", required=False), fields.text("then", required=False)
    digits = fields.text("digits", required=False, limit=20)
    if then and not sid:
        fields.reject("sid", "A key belongs to a call.")
    if refusal := fields.refusal():
        return refusal
    sid = sid or calls.new_sid()
    try:
        heard = calls.lead(
            sid, contact="anonymous" if withheld else contact, line=line, to=then, digits=digits if then else None
        )
    except calls.CallFailed as error:
        return JsonResponse({"call": [str(error)]}, status=502)
    return JsonResponse({"sid": sid, "says": heard.says, "then": heard.then})


@simulator_only
@this_machine_only
@require_http_methods(["GET"])
def log(request: HttpRequest) -> HttpResponse:
    """What happened, in order: ?since=<id of the last entry known>&number=<contact>.

    Every create call that was accepted is in it exactly once, every refused one too. ``pending``: how many webhooks
    and messages' status callbacks are still owed.
    """
    since = request.GET.get("since", "0")
    contact = _number(request.GET.get("number", ""))
    if not (since.isascii() and since.isdigit() and len(since) < 19):
        return JsonResponse({"since": ["This must be the id of a log entry."]}, status=400)
    db = store.reading()
    pending = store.pending_deliveries(db)  # before the entries: what is done by now is in them
    entries = [_entry(row) for row in store.log(db, since=int(since), contact=contact)]
    return JsonResponse({"entries": entries, "pending": pending})


@csrf_exempt
@simulator_only
@this_machine_only
@require_http_methods(["GET", "POST", "DELETE"])
def faults(request: HttpRequest) -> HttpResponse:
    """Queue a fault: {fault, times?, to?: only this contact, seconds?: of a hang or delay, code?: of an undelivered
    message}.

    Create calls. 429: turned down with code 20429, nothing happened. 500: fails, nothing happened. hang: the message
    leaves, its answer is late. drop: the message leaves, the connection breaks in its answer. 21610: turned down and
    blocked at Twilio from then on. 30034: turned down, the line is not registered. undelivered: accepted, then reported
    undelivered, as with code 30034.
    Status callbacks of the next message. duplicate_callbacks: each comes twice. reorder_callbacks: the last one first.
    delay_callbacks: they and the delivery come later.
    Inbound texts. duplicate_webhooks: told twice. delay_webhooks: told later, so that what follows overtakes it.
    no_webhook: not told at all; only the list shows it.
    GET lists what is queued, DELETE clears it.
    """
    if request.method == "GET":
        return JsonResponse({"faults": [_fault(fault) for fault in queue.queued(store.reading())]})
    if request.method == "DELETE":
        with store.writing() as db:
            return JsonResponse({"cleared": queue.clear(db)})
    fields = Fields(request)
    kind = fields.choice("fault", [kind.value for kind in FaultKind])
    times = fields.number("times", default=1, least=1, most=1_000_000)
    contact = fields.phone("to", required=False)
    seconds = fields.seconds("seconds", most=300)
    code = fields.number("code", default=DEFAULT_UNDELIVERED_CODE, least=10000, most=99999)
    if seconds is not None and kind not in DEFAULT_SECONDS:
        fields.reject("seconds", "Only a hang or a delay has seconds.")
    if fields.given("code") and kind != FaultKind.UNDELIVERED:
        fields.reject("code", "Only an undelivered message has a code of your choice.")
    if refusal := fields.refusal():
        return refusal
    fault = Fault(
        FaultKind(kind),
        times,
        contact,
        DEFAULT_SECONDS.get(FaultKind(kind), 0.0) if seconds is None else seconds,
        code if kind == FaultKind.UNDELIVERED else 0,
    )
    with store.writing() as db:
        queue.add(db, fault)
    return JsonResponse(_fault(fault), status=201)


@csrf_exempt
@simulator_only
@this_machine_only
@require_http_methods(["GET", "POST"])
def lines(request: HttpRequest) -> HttpResponse:
    """Set a line as an operator does at Twilio: {line, name?, handles_opt_outs?, advanced?, service?}; GET lists them.

    What is not given stays as it is. Networks always handle opt-outs of toll-free numbers, Twilio those of a short code
    only with Advanced Opt-Out, those of a long code where it is switched on (here: off until it is).
    """
    if request.method == "GET":
        return JsonResponse({"lines": [_line(line) for line in store.lines(store.reading())]})
    fields = Fields(request)
    number = fields.sender("line")
    name = fields.text("name", required=False)
    handles, advanced = fields.switch("handles_opt_outs"), fields.switch("advanced")
    service = fields.text("service", required=False)
    kind = carrier.line_kind(number)
    if kind is LineKind.TOLL_FREE and handles is False:
        fields.reject("handles_opt_outs", "The networks always handle opt-outs of toll-free numbers.")
    if kind is LineKind.SHORT_CODE and handles and not advanced:
        fields.reject("handles_opt_outs", "Twilio handles opt-outs of short codes only with Advanced Opt-Out.")
    if kind is not LineKind.TOLL_FREE and advanced and handles is False:
        fields.reject("advanced", "Advanced Opt-Out is Twilio handling opt-outs; it can't be on without.")
    if refusal := fields.refusal():
        return refusal
    with store.writing() as db:
        line = store.line(db, number)
        if handles is False:
            advanced = False
        line = replace(
            line,
            name=name if fields.given("name") else line.name,
            handles_opt_outs=line.handles_opt_outs if handles is None else handles,
            advanced=line.advanced if advanced is None else advanced,
            service=service if fields.given("service") else line.service,
        )
        store.save_line(db, line)
    return JsonResponse(_line(line))


@simulator_only
@this_machine_only
@require_http_methods(["GET"])
def phones(request: HttpRequest) -> HttpResponse:
    """The contacts' phones with their threads, the one that last moved first: ?number=<contact>, as often as you like.

    ``numbers``: the contacts that there are, asked for or not. ``blocked``: Twilio or the network lets nothing through
    from that line until the contact texts START.
    """
    db = store.reading()
    found: dict[str, dict[str, dict[str, Any]]] = {}
    last: dict[str, int] = {}
    for row in store.threads(db, map(_number, request.GET.getlist("number")), LATEST_ON_PHONE):
        contact, line = row["contact"], row["line"]
        thread = found.setdefault(contact, {}).setdefault(
            line, {"line": line, "blocked": store.is_blocked(db, contact, line), "messages": []}
        )
        thread["messages"].append(
            {
                "id": row["id"],
                "sid": row["sid"],
                "direction": "outbound" if row["direction"] == Direction.OUTBOUND else row["direction"],
                "body": row["body"],
                "media": row["media"],
                "at": _iso(row["created_at"]),
            }
        )
        last[contact] = row["id"]
    numbers = sorted(found, key=lambda number: last[number], reverse=True)
    return JsonResponse(
        {
            "phones": [{"number": number, "threads": list(found[number].values())} for number in numbers],
            "numbers": store.contacts(db, LATEST_NUMBERS),
            "lines": [_line(line) for line in store.lines(db)],
        }
    )


def _entry(row: Any) -> dict[str, Any]:
    return {
        "id": row["id"],
        "at": _iso(row["at"]),
        "kind": row["kind"],
        "sid": row["sid"],
        "from": row["sender"],
        "to": row["recipient"],
        "body": row["body"],
        "status": row["status"],
        "code": row["code"],
        "http_status": row["http_status"],
        "error": row["error"],
        "fault": row["fault"],
    }


def _fault(fault: Fault) -> dict[str, Any]:
    return {
        "fault": fault.kind,
        "times": fault.times,
        "to": fault.contact or None,
        "seconds": fault.seconds or None,
        "code": fault.code or None,
    }


def _line(line: carrier.Line) -> dict[str, Any]:
    return {
        "line": line.number,
        "name": line.name,
        "kind": line.kind,
        "handles_opt_outs": line.provider_answers,
        "advanced": line.advanced,
        "service": line.service,
    }


def _number(value: str) -> str:
    """A number from a query, where a + that was not encoded has become a space."""
    return "+" + value[1:] if value.startswith(" ") else value


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()
