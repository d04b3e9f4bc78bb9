"""The two states of an encrypted attribute in a model instance; neither shows text in a repr."""

from typing import NoReturn, Self


class Envelope(str):
    """Sealed text as the database keeps it (what ``.values()`` gives). Not the plaintext."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Envelope {self[:11]}>"


class Pending:
    """Plaintext that was assigned and is sealed when the row is saved."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return "<text to be sealed>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("An encrypted field with unsaved text is never pickled; save it first.")
