"""A small web server that takes webhooks down, in the place of Optline."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Webhook:
    path: str
    form: dict[str, str]
    signature: str
    token: str


class Receiver:
    """What arrived, in order, and what to answer. While ``gate`` is clear no answer is given."""

    def __init__(self) -> None:
        self.url = ""
        self.gate = threading.Event()
        self.arrived = threading.Condition()
        self.reset()

    def reset(self) -> None:
        self.webhooks: list[Webhook] = []
        self.status = 200
        self.answer = b""
        self.gate.set()

    def take(self, webhook: Webhook) -> None:
        with self.arrived:
            self.webhooks.append(webhook)
            self.arrived.notify_all()

    def wait_for(self, count: int) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.webhooks) >= count, timeout=5), "nothing arrived"

    def forms(self, path: str = "/twilio/inbound/") -> list[dict[str, str]]:
        return [webhook.form for webhook in self.webhooks if webhook.path.startswith(path)]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = dict(parse_qsl(body, keep_blank_values=True, strict_parsing=True))
            headers = self.headers
            receiver.take(
                Webhook(self.path, form, headers["X-Twilio-Signature"], headers["I-Twilio-Idempotency-Token"])
            )
            receiver.gate.wait(10)
            self.send_response(receiver.status)
            self.send_header("Content-Length", str(len(receiver.answer)))
            self.end_headers()
            if receiver.answer:
                self.wfile.write(receiver.answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield receiver
    finally:
        receiver.gate.set()
        server.shutdown()
        server.server_close()
