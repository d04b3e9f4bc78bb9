"""Endpoints and deliveries for tests, receivers on real sockets, and a relay that sends to them."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest
from django.db import connection, transaction
from django.db.models import Q
from standardwebhooks.webhooks import Webhook

from events.hookmodels import WebhookDelivery, WebhookEndpoint
from events.kinds import Kind
from events.models import Event
from events.services import record
from events.webhooks.deliveries import expand
from events.webhooks.sending import Deliverer
from events.webhooks.services import IssuedEndpoint, WantedEndpoint, create_endpoint
from momentry.common.errors import MomentryError
from tests.events.payloads import fitting
from tests.gateway.wire import within

PUBLIC = "http://1.1.1.1/hook"  # of tests that send nothing
ACTOR = "test"
LOOPBACK = "127.0.0.0/8"


def endpoint(url: str = PUBLIC, *kinds: str) -> IssuedEndpoint:
    issued = create_endpoint(WantedEndpoint(url, list(kinds) or ["*"]), actor=ACTOR)
    expand()
    return issued


def quiet_endpoint(url: str = PUBLIC, *kinds: str) -> IssuedEndpoint:
    """Without the delivery of its own creation."""
    issued = endpoint(url, *kinds)
    WebhookDelivery.objects.filter(endpoint=issued.endpoint).delete()
    return issued


def happen(kind: Kind = Kind.APIKEY_CREATED, subject: str = "key:1", **details: Any) -> Event:
    """An event, and its deliveries, as the relay makes them."""
    event = cause(kind, subject, **details)
    expand()
    return event


def cause(kind: Kind = Kind.APIKEY_CREATED, subject: str = "key:1", **details: Any) -> Event:
    """An event alone, with these details and those that its kind must have."""
    with transaction.atomic():
        return record(kind, actor=ACTOR, subject=subject, **{**fitting(kind), **details})


class Heard(NamedTuple):
    """One request; ``at``: when it was whole, by this machine's clock."""

    at: float
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def json(self) -> Any:
        return json.loads(self.body)

    def is_signed(self, secret: str) -> bool:
        """By the library, which knows nothing of us. It raises for anything else."""
        Webhook(secret).verify(self.body, dict(self.headers))
        return True


Answer = tuple[int, Mapping[str, str]]
OK: Answer = (200, {})


class Receiver:
    """``answer(heard, number)``: the status and headers of its n-th answer, counted from 1."""

    def __init__(self, answer: Callable[[Heard, int], Answer] = lambda *_: OK) -> None:
        self.heard: list[Heard] = []
        self.answer = answer
        self.lock = threading.Lock()
        self.let_go = threading.Event()
        self.port = 0
        self.listen()
        self.url = f"http://127.0.0.1:{self.port}/hook?a=b"

    def listen(self) -> None:
        """Again, where it did before it was stopped."""
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), handler_of(self))
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def ids(self) -> list[str]:
        with self.lock:
            return [each.id for each in self.heard]

    def kinds(self) -> list[str]:
        with self.lock:
            return [each.json()["type"] for each in self.heard]

    def take(self, heard: Heard) -> Answer:
        with self.lock:
            self.heard.append(heard)
            number = len(self.heard)
        return self.answer(heard, number)

    def stop(self) -> None:
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()


def handler_of(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers["content-length"]))
            status, given = receiver.take(Heard(time.time(), self.path, headers, body))
            self.send_response(status)
            for name, value in {"Content-Length": "0", **given}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    return Handler


@contextmanager
def receiving(answer: Callable[[Heard, int], Answer] = lambda *_: OK) -> Iterator[Receiver]:
    receiver = Receiver(answer)
    try:
        yield receiver
    finally:
        receiver.stop()


class Silent:
    """Takes connections and answers with ``says``, or never: each is left open."""

    def __init__(self, says: bytes = b"") -> None:
        self.says = says
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.taken: list[socket.socket] = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        while True:
            try:
                taken, _ = self.listener.accept()
                self.taken.append(taken)
                if self.says:
                    taken.recv(65536)
                    taken.sendall(self.says)
            except OSError:
                return

    def stop(self) -> None:
        self.listener.close()
        for taken in self.taken:
            taken.close()


@contextmanager
def silence(says: bytes = b"") -> Iterator[Silent]:
    silent = Silent(says)
    try:
        yield silent
    finally:
        silent.stop()


def refused_url() -> str:
    """Nobody listens there."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return f"http://127.0.0.1:{gone.getsockname()[1]}/"


def delivery_of(event: Event, row: WebhookEndpoint) -> WebhookDelivery:
    return WebhookDelivery.objects.get(event=event, endpoint=row)


def deliver(done: Callable[[], bool], patience: float = 30.0) -> bool:
    """This process's deliverer, until that is so: did it come to be?"""

    async def play() -> bool:
        over = threading.Event()
        running = asyncio.create_task(Deliverer().run(over.is_set))
        so = await asyncio.to_thread(watch, done, patience)
        over.set()
        await running
        return so

    return asyncio.run(play())


def watch(done: Callable[[], bool], patience: float) -> bool:
    try:
        return within(patience, done)
    finally:
        connection.close()


def states(*rows: WebhookEndpoint) -> list[str]:
    """Of all deliveries, or of these endpoints'."""
    found = WebhookDelivery.objects.order_by("created_at")
    return [each.state for each in (found.filter(endpoint__in=rows) if rows else found)]


def one() -> WebhookDelivery:
    return WebhookDelivery.objects.get()


def has_tried() -> bool:
    """Has each delivery been tried, and is it nobody's any more?"""
    return not WebhookDelivery.objects.filter(Q(attempts=[]) | ~Q(lease=None)).exists()


def kinds_of(row):
    subject = f"webhook:{row.pk.hex}"
    return list(Event.objects.filter(subject=subject).order_by("id").values_list("kind", flat=True))


def refused(call, *args, **given):
    with pytest.raises(MomentryError) as raised:
        call(*args, actor=ACTOR, **given)
    return raised.value.code.code
