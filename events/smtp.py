"""SMTP for letters: a conversation that ends by itself, and what its failures mean.

Django's backend waits EMAIL_TIMEOUT for each answer, so a server that sends one byte now and then
holds it for ever; and it reports a failure to say goodbye, after the server took the letter.
"""

import smtplib
import socket
import threading
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from django.core.mail.backends.smtp import EmailBackend

CONVERSATION_SECONDS: Final = 45.0  # from the first look-up to the answer to the last line
GOODBYE_SECONDS: Final = 2.0


def is_final(error: Exception) -> bool:
    """Would the same letter fail in the same way again? Its server says so (RFC 5321 §4.2.1, 5yz)
    of the recipient or of what it read, or it cannot be written as a message at all. A refused
    sender or password is ours to mend, and every letter's: those wait."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(is_refusal(code) for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPDataError):
        return is_refusal(error.smtp_code)
    return isinstance(error, ValueError) and not isinstance(error, OSError)  # a wrong certificate


def is_refusal(code: int) -> bool:
    return 500 <= code <= 599


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
