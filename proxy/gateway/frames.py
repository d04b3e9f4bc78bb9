"""Where frames end in a stream of WebSocket frames (RFC 6455 §5.2); only their headers are read."""

from typing import Final

CLOSE: Final = 8
MASKED: Final = 0x80
# The length's code, and how many bytes of length follow it.
LONGER: Final = {126: 2, 127: 8}
MAX_REASON: Final = 123


class Frames:
    """Fed with every byte of one direction. ``is_whole``: no frame has begun that is not over."""

    __slots__ = ("header", "is_closed", "left")

    def __init__(self) -> None:
        self.header = bytearray()
        self.left = 0  # of the payload
        self.is_closed = False  # a Close frame began

    @property
    def is_whole(self) -> bool:
        return not self.left and not self.header

    def feed(self, data: bytes) -> None:
        at, size = 0, len(data)
        while at < size:
            if self.left:
                step = min(self.left, size - at)
                self.left -= step
                at += step
                continue
            missing = header_size(self.header) - len(self.header)
            self.header += data[at : at + missing]
            at += missing
            if len(self.header) >= 2 and len(self.header) == header_size(self.header):
                self.begin()

    def begin(self) -> None:
        """The payload, whose header is whole."""
        self.is_closed = self.is_closed or self.header[0] & 0x0F == CLOSE
        code = self.header[1] & 0x7F
        length = LONGER.get(code, 0)
        self.left = int.from_bytes(self.header[2 : 2 + length], "big") if length else code
        self.header.clear()


def header_size(header: bytearray) -> int:
    """As far as its first two bytes tell."""
    if len(header) < 2:
        return 2
    return 2 + LONGER.get(header[1] & 0x7F, 0) + (4 if header[1] & MASKED else 0)


def close_frame(code: int, reason: str) -> bytes:
    """From a server, so unmasked."""
    payload = code.to_bytes(2, "big") + reason.encode()[:MAX_REASON]
    return bytes((MASKED | CLOSE, len(payload))) + payload
