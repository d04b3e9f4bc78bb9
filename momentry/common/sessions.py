"""Staff sessions in the database, asked only for keys that could be one.

A cookie may hold any bytes; a NUL among them would be the database's error and our 500.
"""

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    def __init__(self, session_key: str | None = None) -> None:
        usable = session_key is not None and session_key.isascii() and session_key.isalnum()
        super().__init__(session_key if usable else None)
