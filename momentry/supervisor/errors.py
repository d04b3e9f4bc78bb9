"""The error that ends a command with one sentence for a person."""


class CannotStartError(Exception):
    """``str()`` says what is wrong and what to do; the exit code is 1."""


class StoppedError(Exception):
    """Somebody asked us to stop while we were starting."""
