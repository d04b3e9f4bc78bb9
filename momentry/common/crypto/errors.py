"""Why an envelope does not open. Messages name table, column and key id, never a value."""


class EnvelopeError(Exception):
    """Base: the stored value cannot be opened here."""


class UnknownKeyError(EnvelopeError):
    """Sealed under a key that the ring no longer (or not yet) holds."""


class TamperedError(EnvelopeError):
    """Not an envelope of this table and column, or altered since it was sealed."""


class WrongRowError(EnvelopeError):
    """A genuine envelope of this column that belongs to another row."""
