"""What agents and contacts can do in the demo: agents through the REST API, contacts on the simulator's phone."""

import json
import uuid
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from consent.models import Contact, Line


class UnexpectedAnswer(Exception):
    """An address answered otherwise than it should; the message says which, and with what."""


class Caller:
    """HTTP against the running demo."""

    def __init__(self, origin: str, token: str = "") -> None:
        self._origin = origin
        self._headers = {"Authorization": f"Token {token}"} if token else {}
        self._pool = urllib3.PoolManager(retries=False, timeout=20.0)

    def get(self, path: str, **query: str | int) -> Any:
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path, 200)

    def post(self, path: str, expected: int, body: dict[str, Any], **headers: str) -> Any:
        sent = {"Content-Type": "application/json", **headers}
        return self._call("POST", path, expected, headers=sent, body=json.dumps(body))

    def _call(self, method: str, path: str, expected: int, **options: Any) -> Any:
        headers = {**self._headers, **options.pop("headers", {})}
        try:
            answer = self._pool.request(method, self._origin + path, headers=headers, **options)
        except urllib3.exceptions.HTTPError as error:
            raise UnexpectedAnswer(f"{method} {path} was not answered: {error}") from error
        if answer.status != expected:
            words = answer.data.decode("utf-8", "replace")[:300]
            raise UnexpectedAnswer(f"{method} {path} was answered {answer.status}: {words}")
        return json.loads(answer.data)


class Agent:
    """A user with a token of their own. What they see is what the API shows them."""

    def __init__(self, origin: str, *, username: str, name: str, token: str) -> None:
        self.username = username
        self.name = name
        self._api = Caller(origin, token)

    def text(self, contact: Contact, line: Line, body: str) -> dict[str, Any]:
        """Submit a text; what the API says became of it."""
        fields = {"line": line.number, "to": contact.number, "body": body}
        return self._api.post("/api/v1/messages/", 201, fields, **{"Idempotency-Key": str(uuid.uuid4())})

    def conversation(self, contact: Contact, line: Line) -> list[dict[str, Any]]:
        """The thread of texts and notices, in order, as this agent may see it."""
        return self._api.get("/api/v1/conversations/", line=line.number, phone=contact.number)

    def consent(self, contact: Contact, line: Line) -> dict[str, Any]:
        """The contact's status and request state on this line."""
        path = f"/api/v1/contacts/{quote(contact.number)}/consents/"
        return self._api.get(path, line=line.number)[0]


class Phones:
    """The simulator's phones: contacts text from here, and its log knows what reached them."""

    def __init__(self, origin: str) -> None:
        self._simulator = Caller(origin)
        self.log: list[dict[str, Any]] = []
        self.owed = 0

    def text(self, contact: Contact, line: Line, body: str) -> None:
        fields = {"from": contact.number, "to": line.number, "body": body}
        self._simulator.post("/simulator/api/inbound/", 202, fields)

    def name_line(self, line: Line) -> None:
        """Show the line under its name on the phones."""
        self._simulator.post("/simulator/api/lines/", 200, {"line": line.number, "name": line.name})

    def fault(self, kind: str, contact: Contact, times: int) -> None:
        """Make the simulator fail the next texts to this contact."""
        self._simulator.post("/simulator/api/faults/", 201, {"fault": kind, "to": contact.number, "times": times})

    def read_log(self) -> int:
        """Read what happened since the last time; the id of the last entry. ``owed``: webhooks still to come."""
        answer = self._simulator.get("/simulator/api/log/", since=self._last())
        self.log += answer["entries"]
        self.owed = answer["pending"]
        return self._last()

    def _last(self) -> int:
        return self.log[-1]["id"] if self.log else 0
