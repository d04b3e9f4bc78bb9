"""Reads what an answer of an upstream says it used, while its bytes pass by unaltered."""

import re
from typing import Final

from proxy.usage import documents
from proxy.usage.asked import BYTES, tokens_of
from proxy.usage.codings import Broken, Decoding, Sink, names
from proxy.usage.events import Events
from proxy.usage.held import Held
from proxy.usage.reported import FORMATS, UNKNOWN, Account, Format, Usage

EVENTS: Final = b"text/event-stream"
USAGE: Final = re.compile(rb'"usage"[ \t\n\r]*+:[ \t\n\r]*+\{')


class Stream:
    """Of server-sent events: what an event says counts from its end on."""

    __slots__ = ("account", "events", "feed", "text", "words")

    def __init__(self, form: Format) -> None:
        self.account = Account(form)
        self.text = form.text
        self.words = 0
        self.events = Events(self.read)
        self.feed = self.events.feed

    def read(self, held: Held) -> None:
        for said in self.text.findall(held.data):
            self.words += -(-len(said) // BYTES)
        if tells(held, self.account):
            self.account.add(documents.read(held, depth=2))

    def size(self) -> int:
        return len(self.events.held.data)

    def written(self, size: int) -> int:
        """Where no event is of a known shape, ``size`` is all there is to go by."""
        known = self.words or self.account.model or self.account.counts
        return self.words if known else tokens_of(size)

    def known(self) -> Account:
        """With what an event that has not ended says; asking changes nothing."""
        held = self.events.unfinished()
        if not tells(held, self.account):
            return self.account
        account = self.account.copy()
        account.add(documents.read(held, depth=2))
        return account


class Body:
    """Of one JSON document, parsed when somebody asks."""

    __slots__ = ("feed", "format", "held")

    def __init__(self, form: Format) -> None:
        self.format = form
        self.held = Held()
        self.feed = self.held.add

    def size(self) -> int:
        return len(self.held.data)

    def written(self, size: int) -> int:
        return tokens_of(size)

    def known(self) -> Account:
        account = Account(self.format)
        if tells(self.held, account):
            account.add(documents.read(self.held))
        return account


def tells(held: Held, account: Account) -> bool:
    """Cheap, and true where there may be usage, or a model while none is known."""
    data = held.data
    if held.is_cut or (b'"usage"' in data and USAGE.search(data)):
        return True
    return not account.model and b'"model"' in data


class UsageReader:
    """``feed`` it every piece of the payload, ask ``usage`` at the end or at any moment before.

    Neither raises. An unknown or broken coding, and one that makes too much of too little, end
    it: nothing is known then, also of what came before.
    """

    __slots__ = ("answer", "sink")

    def __init__(self, answer: Stream | Body | None = None, coded: list[bytes] | None = None):
        self.answer = answer
        self.sink: Sink | None = None
        if answer is None:
            return
        self.sink = answer.feed
        if coded:
            try:
                self.sink = Decoding(coded, answer.feed).feed
            except Broken:
                self.give_up()

    def give_up(self) -> None:
        self.answer = self.sink = None

    def feed(self, piece: bytes) -> None:
        if self.sink is not None:
            try:
                self.sink(piece)
            except Broken:
                self.give_up()

    def usage(self) -> Usage:
        return self.answer.known().usage() if self.answer else UNKNOWN

    def size(self) -> int:
        """Bytes that it keeps."""
        return self.answer.size() if self.answer else 0

    def written(self, size: int) -> int:
        """Tokens of the words that have come, roughly: of a stream a token at least for each event
        that has any; else by the ``size`` of the answer."""
        return self.answer.written(size) if self.answer else tokens_of(size)


def kind_of(content_type: bytes) -> bytes:
    return content_type.partition(b";")[0].strip(b" \t").lower()


def is_events(content_type: bytes) -> bool:
    return kind_of(content_type) == EVENTS


def open_reader(form: str, content_type: bytes, content_encoding: bytes = b"") -> UsageReader:
    """For an answer with these fields (several of a name joined by commas, none is b"").

    ``form``: a name of FORMATS; for any other, as for a content type that is neither JSON nor
    server-sent events, the reader takes everything and knows nothing.
    """
    found = FORMATS.get(form)
    if found is None:
        return UsageReader()
    kind = kind_of(content_type)
    coded = names(content_encoding) if content_encoding else []
    if kind == EVENTS:
        return UsageReader(Stream(found), coded)
    if kind == b"application/json" or (kind.startswith(b"application/") and kind[-5:] == b"+json"):
        return UsageReader(Body(found), coded)
    return UsageReader()
