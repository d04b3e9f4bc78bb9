"""An SMTP server on a real socket that answers as told, wrongly too."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Final

from django.test import override_settings

from momentry.common.env import Environment
from momentry.smtp import mail_settings

CUT: Final = "cut"
SILENCE: Final = "silence"
DRIP: Final = "drip"
USUAL: Final = {
    "CONNECT": "220 ready", "EHLO": "250-here\r\n250-STARTTLS\r\n250 AUTH PLAIN",
    "HELO": "250 here", "STAR": "220 go on", "AUTH": "235 welcome", "MAIL": "250 ok",
    "RCPT": "250 ok", "DATA": "354 go on", "END": "250 taken", "RSET": "250 ok", "QUIT": "221 bye",
}  # fmt: skip


class Server:
    """``answers``: by verb (CONNECT before the first, END after a letter's last line) a reply, or
    one of CUT, SILENCE and DRIP; ``taken``: the letters that arrived whole, answered or not;
    ``silent_for``: a recipient of whom it says nothing; ``go_on`` ends a silence, ``over`` all."""

    def __init__(self, tls: ssl.SSLContext | None, is_tls: bool) -> None:
        self.tls, self.is_tls = tls, is_tls
        self.answers: dict[str, str] = {}
        self.taken: list[EmailMessage] = []
        self.verbs: list[str] = []
        self.silent_for = ""
        self.asked = threading.Semaphore(0)
        self.over = threading.Event()
        self.go_on = threading.Event()
        self.lines: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]

    def listen(self) -> None:
        while True:
            try:
                line, _ = self.listener.accept()
            except OSError:
                return
            self.lines.append(line)
            threading.Thread(target=self.talk, args=[line], daemon=True).start()

    def talk(self, line: socket.socket) -> None:
        with suppress(OSError):
            line = self.wrapped(line) if self.is_tls else line
            with line:
                self.converse(line)

    def wrapped(self, line: socket.socket) -> socket.socket:
        assert self.tls is not None
        found = self.tls.wrap_socket(line, server_side=True)
        self.lines.append(found)
        return found

    def converse(self, line: socket.socket) -> None:
        file, verb = line.makefile("rb"), "CONNECT"
        while self.answer(line, verb):
            if verb == "DATA":
                raw = b"".join(iter(file.readline, b".\r\n"))
                self.taken.append(message_from_bytes(raw, policy=policy.default))
                verb = "END"
                continue
            if verb == "STAR":
                line = self.wrapped(line)
                file = line.makefile("rb")
            said = file.readline().decode()
            if self.silent_for and self.silent_for in said:
                self.asked.release()
                self.over.wait()
                break
            verb = said[:4].strip().upper()
            self.verbs.append(verb)
            if not verb:
                break
        with suppress(OSError):  # the file keeps it open otherwise
            line.shutdown(socket.SHUT_RDWR)

    def answer(self, line: socket.socket, verb: str) -> bool:
        """Does the conversation go on?"""
        reply = self.answers.get(verb, USUAL[verb])
        if reply == CUT:
            return False
        if reply == SILENCE:
            self.asked.release()
            while not self.go_on.is_set() and not self.over.wait(0.02):
                pass
            if self.over.is_set():
                return False
            reply = USUAL[verb]
        while reply == DRIP and not self.over.wait(0.02):
            line.sendall(b"2")
        line.sendall(f"{reply}\r\n".encode())
        return verb != "QUIT" and (verb != "DATA" or reply.startswith("354"))

    def stop(self) -> None:
        self.over.set()
        for each in (self.listener, *self.lines):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@contextmanager
def smtp_server(
    url: str = "smtp://127.0.0.1:{port}?starttls=false", tls: ssl.SSLContext | None = None
) -> Iterator[Server]:
    """The settings are as EMAIL_URL makes them."""
    server = Server(tls, url.startswith("smtps"))
    thread = threading.Thread(target=server.listen)
    thread.start()
    given = mail_settings(Environment({"EMAIL_URL": url.format(port=server.port)}))
    try:
        with override_settings(**given, DEFAULT_FROM_EMAIL="no-reply@example.org"):
            yield server
    finally:
        server.stop()
        thread.join()
