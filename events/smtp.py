"""SMTP for letters: a conversation that ends by itself, and what its failures mean.

Django's backend waits EMAIL_TIMEOUT for each answer, so a server that sends one byte now and then
holds it for ever; and it reports a failure to say goodbye, after the server took the letter.
"""

import re
import smtplib
import socket
import threading
from collections.abc import Container
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from django.core.mail.backends.smtp import EmailBackend

CONVERSATION_SECONDS: Final = 45.0  # from the first look-up to the answer to the last line
GOODBYE_SECONDS: Final = 2.0


ENHANCED: Final = re.compile(rb"\s*(\d\.\d{1,3}\.\d{1,3})(?!\S)")
OF_THIS_LETTER: Final = re.compile(rb"5\.(1\.(?!7$|8$)\d+|2\.[12]|6\.\d+)")
"""RFC 3463: no such mailbox (X.1.7 and X.1.8 are of the sender), one that is disabled or full, and
what the letter says."""
NO_MAILBOX: Final = frozenset({550, 551, 553})  # RFC 5321 §4.2.3, to RCPT, if no more is said


def is_final(error: Exception) -> bool:
    """Does the server refuse this recipient or this text for good? Relaying that it denies us, a
    quota, a policy, a sender or a password are every letter's, and somebody mends them: those wait.
    """
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(
            is_of_this_letter(code, said, plainly=NO_MAILBOX)
            for code, said in error.recipients.values()
        )
    if isinstance(error, smtplib.SMTPDataError):
        return is_of_this_letter(error.smtp_code, error.smtp_error)
    return False


def is_of_this_letter(code: int, said: bytes | str, *, plainly: Container[int] = ()) -> bool:
    """The enhanced code says why; without one only the codes of ``plainly`` do."""
    if not 500 <= code <= 599:
        return False
    enhanced = ENHANCED.match(said.encode() if isinstance(said, str) else said)
    if enhanced is None:
        return code in plainly
    return OF_THIS_LETTER.fullmatch(enhanced[1]) is not None


class Timed(smtplib.SMTP):
    """Cut when its time is over, wherever it waits."""

    watch: threading.Timer | None = None
    is_over = False

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """All addresses of the server share the time; smtplib would give it to each of them."""
        self.watch = threading.Timer(CONVERSATION_SECONDS, self.cut)
        self.watch.daemon = True
        self.watch.start()
        end = monotonic() + CONVERSATION_SECONDS
        failed = OSError("no address")
        for *_, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            left = max(0.1, min(timeout, end - monotonic()))
            try:
                return socket.create_connection((str(place[0]), port), left)
            except OSError as error:
                failed = error
        self.close()
        raise failed

    def cut(self) -> None:
        """From the watch's thread. Past SSLSocket, whose own shutdown would drop its state."""
        self.is_over = True
        if self.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def getreply(self) -> tuple[int, bytes]:
        """What came of a reply that was cut is none. (The socket that was cut may have been another
        one, before STARTTLS.)"""
        reply = (0, b"") if self.is_over else super().getreply()
        if self.is_over:
            self.close()
            raise smtplib.SMTPServerDisconnected("the time is over")
        return reply

    def close(self) -> None:
        if self.watch is not None:
            self.watch.cancel()
        super().close()


class TimedTLS(smtplib.SMTP_SSL, Timed):
    """TLS from the first byte; smtplib's class wraps the socket that Timed made."""


class Backend(EmailBackend):
    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return TimedTLS if self.use_ssl else Timed

    def open(self) -> bool | None:
        """What was opened halfway is closed: Django would keep it for another attempt."""
        try:
            return super().open()
        except BaseException:
            self.close()
            raise

    def _close_connection(self, connection: Any) -> None:
        """Never fails: by now the server has taken the letter, or said why not."""
        with suppress(OSError):  # SMTPException is one
            if connection.sock is not None:
                connection.sock.settimeout(GOODBYE_SECONDS)
                connection.quit()
        connection.close()
