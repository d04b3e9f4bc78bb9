"""What an upstream says that a call used: its JSON in, one set of counts out; no bytes here."""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Self

Json = dict[str, Any]
Counts = dict[str, int]

MOST: Final = 10**12  # tokens; more than any answer has is a mistake, and none of ours
MODEL_LENGTH: Final = 100  # as wide as the request log's column


class Usage(NamedTuple):
    """None where the upstream told nothing, which is not 0; ``model`` is "" then.

    ``tokens_in`` is all that was read, ``tokens_cached`` the part of it that came from a cache;
    ``tokens_out`` is all that was written, ``tokens_reasoning`` the part of it that was thought.
    """

    model: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    tokens_reasoning: int | None = None


UNKNOWN: Final = Usage()


def part(told: Json, name: str) -> Json:
    found = told.get(name)
    return found if isinstance(found, dict) else {}


def openai_counts(told: Json) -> Counts:
    """Chat and embeddings say prompt and completion, responses input and output (SDK types 3.52).

    Both already count cached tokens (read or written) and reasoning inside their totals.
    """
    read = part(told, "prompt_tokens_details") or part(told, "input_tokens_details")
    written = part(told, "completion_tokens_details") or part(told, "output_tokens_details")
    return known(
        tokens_in=told.get("prompt_tokens", told.get("input_tokens")),
        tokens_out=told.get("completion_tokens", told.get("output_tokens")),
        tokens_cached=read.get("cached_tokens"),
        tokens_reasoning=written.get("reasoning_tokens"),
    )


def anthropic_counts(told: Json) -> Counts:
    """The three kinds of input are told apart, none inside another (SDK types 2.11)."""
    return known(
        fresh=told.get("input_tokens"),
        stored=told.get("cache_creation_input_tokens"),
        tokens_cached=told.get("cache_read_input_tokens"),
        tokens_out=told.get("output_tokens"),
        tokens_reasoning=part(told, "output_tokens_details").get("thinking_tokens"),
    )


def known(**told: object) -> Counts:
    """True is no 1 and 3.0 no 3: what is no plain count was not told."""
    return {
        name: value for name, value in told.items() if type(value) is int and 0 <= value <= MOST
    }


def all_read(counts: Counts) -> int | None:
    """Anthropic's input as OpenAI counts it: with what came from the cache and what went there.

    So one price rule serves both: cached tokens at their price, all others (those being stored
    too) at the price of input.
    """
    if "fresh" not in counts:
        return counts.get("tokens_in")
    total = counts["fresh"] + counts.get("stored", 0) + counts.get("tokens_cached", 0)
    return total if total <= MOST else None


class Format(NamedTuple):
    read: Callable[[Json], Counts]
    wrapper: str  # the member of a stream's event that holds the answer with its usage
    text: re.Pattern[bytes]  # finds what an event adds to the answer


def texts(*names: bytes) -> re.Pattern[bytes]:
    """The strings of members with these names, as long as they are escaped, but empty ones."""
    name = b"|".join(names)
    return re.compile(
        rb'"(?:' + name + rb')"[ \t\n\r]*+:[ \t\n\r]*+"(?!")([^"\\]*+(?:\\.[^"\\]*+)*+)"',
        re.DOTALL,
    )


WORDS: Final = (
    b"content", b"delta", b"text", b"arguments", b"refusal", b"reasoning_content", b"reasoning",
)  # fmt: skip
FORMATS: Final = {
    "openai": Format(openai_counts, "response", texts(*WORDS)),
    "anthropic": Format(anthropic_counts, "message", texts(b"text", b"partial_json", b"thinking")),
}


class Account:
    """Of one answer. Later counts replace earlier ones, as all formats report totals so far."""

    __slots__ = ("counts", "format", "model")

    def __init__(self, form: Format) -> None:
        self.format = form
        self.model = ""
        self.counts: Counts = {}

    def copy(self) -> Self:
        made = type(self)(self.format)
        made.model, made.counts = self.model, dict(self.counts)
        return made

    def add(self, document: Json) -> None:
        """An answer or an event of a stream; one of no known shape adds nothing."""
        wrapped = document.get(self.format.wrapper)
        if isinstance(wrapped, dict):
            self.add_answer(wrapped)
        self.add_answer(document)

    def add_answer(self, answer: Json) -> None:
        self.name(answer.get("model"))
        told = answer.get("usage")
        if isinstance(told, dict):
            self.counts.update(self.format.read(told))

    def name(self, model: object) -> None:
        """What neither a log row nor a person can read (NUL, half a surrogate) is no name."""
        if isinstance(model, str) and 0 < len(model) <= MODEL_LENGTH and model.isprintable():
            self.model = model

    def usage(self) -> Usage:
        told = self.counts
        return Usage(
            self.model,
            all_read(told),
            told.get("tokens_out"),
            told.get("tokens_cached"),
            told.get("tokens_reasoning"),
        )
