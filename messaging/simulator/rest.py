"""Twilio's REST calls for messages, in Twilio's shapes, so that the official SDK talks to them unchanged."""

import base64
import hmac
import sys
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, QueryDict
from django.views.decorators.csrf import csrf_exempt

from messaging.simulator import delivery, store, traffic
from messaging.simulator.delivery import API_VERSION
from messaging.simulator.guard import AnsweredFirst, View, simulator_only
from messaging.simulator.store import Direction
from messaging.simulator.traffic import Outgoing, Refusal

MAX_PAGE = 1000  # messages on one
MAX_PAGES = 1_000_000
_never = threading.Event()  # to wait on, for an answer that hangs


def with_credentials(view: View) -> View:
    """401 unless HTTP Basic brings the account's sid and one of its tokens, and the path names that account."""

    @wraps(view)
    def checked(request: HttpRequest, account: str, **kwargs: Any) -> HttpResponseBase:
        if account != settings.TWILIO_ACCOUNT_SID or not authenticated(request):
            answer = error(Refusal(401, 20003, "Authenticate"))
            answer["WWW-Authenticate"] = 'Basic realm="Twilio API"'
            return answer
        return view(request, **kwargs)

    return checked


@csrf_exempt
@simulator_only
@with_credentials
def messages(request: HttpRequest) -> HttpResponse:
    match request.method:
        case "POST":
            return _create(request)
        case "GET":
            return _list(request)
        case _:
            return error(Refusal(405, 20004, "Method not allowed"))


@csrf_exempt
@simulator_only
@with_credentials
def message(request: HttpRequest, sid: str) -> HttpResponse:
    if request.method != "GET":
        return error(Refusal(405, 20004, "Method not allowed"))
    row = store.message(store.reading(), sid)
    if row is None or row["direction"] == Direction.NETWORK:
        return _not_found(request)
    return JsonResponse(as_resource(row))


@csrf_exempt
@simulator_only
def unknown(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    return _not_found(request)


def error(refusal: Refusal) -> JsonResponse:
    """A refusal as Twilio words it."""
    return JsonResponse(
        {
            "code": refusal.code,
            "message": refusal.message,
            "more_info": f"https://www.twilio.com/docs/errors/{refusal.code}",
            "status": refusal.http_status,
        },
        status=refusal.http_status,
    )


def as_resource(row: Any) -> dict[str, Any]:
    """A stored message as Twilio's Message resource."""
    inbound = row["direction"] == Direction.INBOUND
    uri = f"/{API_VERSION}/Accounts/{settings.TWILIO_ACCOUNT_SID}/Messages/{row['sid']}"
    return {
        "account_sid": settings.TWILIO_ACCOUNT_SID,
        "api_version": API_VERSION,
        "body": row["body"],
        "date_created": _rfc2822(row["created_at"]),
        "date_sent": _rfc2822(row["sent_at"]),
        "date_updated": _rfc2822(row["updated_at"]),
        "direction": row["direction"],
        "error_code": row["error_code"],
        "error_message": None,
        "from": row["contact"] if inbound else row["line"],
        "messaging_service_sid": row["service"] or None,
        "num_media": str(row["media"]),
        "num_segments": str(row["segments"]),
        "price": None,
        "price_unit": "USD",
        "sid": row["sid"],
        "status": row["status"],
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": row["line"] if inbound else row["contact"],
        "uri": f"{uri}.json",
    }


def _not_found(request: HttpRequest) -> JsonResponse:
    return error(Refusal(404, 20404, f"The requested resource {request.path} was not found"))


def authenticated(request: HttpRequest) -> bool:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        user, _, password = base64.b64decode(credentials, validate=True).partition(b":")
    except ValueError:
        return False
    right_user = hmac.compare_digest(user, settings.TWILIO_ACCOUNT_SID.encode())
    right_token = any([hmac.compare_digest(password, token.encode()) for token in settings.TWILIO_AUTH_TOKENS])
    return right_user and right_token


def _create(request: HttpRequest) -> HttpResponse:
    form = request.POST
    outcome = traffic.create(
        Outgoing(
            contact=form.get("To", ""),
            line=form.get("From", ""),
            service=form.get("MessagingServiceSid", ""),
            body=form.get("Body", ""),
            media=len(form.getlist("MediaUrl")),
            status_callback=form.get("StatusCallback", ""),
        )
    )
    if isinstance(outcome, Refusal):
        return error(outcome)
    row = store.message(store.reading(), outcome.sid)
    if not outcome.hang and not outcome.drop:
        return AnsweredFirst(as_resource(row), jobs=outcome.jobs, status=201)
    # The message is on its way while its answer hangs, or is lost with its connection.
    answer = JsonResponse(as_resource(row), status=201)
    delivery.expect(outcome.jobs)
    delivery.release(outcome.jobs)
    if outcome.drop:
        return _cut_off(answer)
    _never.wait(outcome.hang)
    return answer


def _cut_off(answer: HttpResponse) -> HttpResponse:
    """Its length, and only the beginning of it: where a view can't break the connection, that does."""
    answer["Content-Length"] = str(len(answer.content))
    answer.content = answer.content[:10]
    return answer


def _list(request: HttpRequest) -> HttpResponse:
    """Newest first. The token of the next page is the last message shown, so that new ones don't shift the pages."""
    query = request.GET
    where = [f"direction != '{Direction.NETWORK}'"]
    values: list[str | float] = []
    for name, column_in, column_out in (("From", "contact", "line"), ("To", "line", "contact")):
        if value := query.get(name):
            where.append(f"CASE direction WHEN '{Direction.INBOUND}' THEN {column_in} ELSE {column_out} END = ?")
            values.append(value)
    try:
        size = min(max(int(query.get("PageSize", 50)), 1), MAX_PAGE)
        page = min(max(int(query.get("Page", 0)), 0), MAX_PAGES)
        last_shown = min(int(query.get("PageToken", "PA0").removeprefix("PA")), sys.maxsize)
        for name, clause in (
            ("DateSent", "moment >= ? AND moment < ?"),
            ("DateSent>", "moment >= ?"),
            ("DateSent<", "moment < ?"),
        ):
            if value := query.get(name):
                # The SDK sends a date as its midnight; without < or > it means the whole day.
                start, end = _span(value[:10] if name == "DateSent" else value)
                where.append(clause.replace("moment", "COALESCE(sent_at, created_at)"))
                values += {"DateSent": [start, end], "DateSent>": [start], "DateSent<": [end]}[name]
    except (ValueError, OverflowError):
        return error(Refusal(400, 20001, "Invalid paging or DateSent parameter"))
    skip = page * size
    if last_shown:
        where.append("id < ?")
        values.append(last_shown)
        skip = 0
    rows = (
        store.reading()
        .execute(
            f"SELECT * FROM message WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ? OFFSET ?",
            (*values, size + 1, skip),
        )
        .fetchall()
    )
    shown = rows[:size]
    return JsonResponse(
        {
            "messages": [as_resource(row) for row in shown],
            "page": page,
            "page_size": size,
            "start": page * size,
            "end": max(page * size + len(shown) - 1, 0),
            "uri": _page_uri(query, page, size),
            "first_page_uri": _page_uri(query, 0, size),
            "previous_page_uri": _page_uri(query, page - 1, size) if page else None,
            "next_page_uri": _page_uri(query, page + 1, size, shown[-1]["id"]) if len(rows) > size else None,
        }
    )


def _span(value: str) -> tuple[float, float]:
    """The GMT day, or for a full time the second, that a DateSent value names: from and up to, not including."""
    moment = datetime.fromisoformat(value)
    moment = moment.replace(tzinfo=moment.tzinfo or UTC)
    length = timedelta(days=1) if len(value) == len("2026-01-31") else timedelta(seconds=1)
    return moment.timestamp(), (moment + length).timestamp()


def _page_uri(query: QueryDict, page: int, size: int, last_shown: int = 0) -> str:
    parts = {name: str(query[name]) for name in query if name != "PageToken"}
    parts |= {"PageSize": str(size), "Page": str(page)}
    if last_shown:
        parts["PageToken"] = f"PA{last_shown}"
    return f"/{API_VERSION}/Accounts/{settings.TWILIO_ACCOUNT_SID}/Messages.json?{urlencode(parts)}"


def _rfc2822(moment: float | None) -> str | None:
    return None if moment is None else format_datetime(datetime.fromtimestamp(moment, UTC))
