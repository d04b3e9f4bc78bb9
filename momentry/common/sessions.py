"""Staff sessions in the database, asked only for keys that could be one.

A cookie may hold any bytes; a NUL among them would be the database's error and our 500.
"""

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    def _validate_session_key(self, key: str | None) -> bool:
        return bool(key) and key.isascii() and key.isalnum() and super()._validate_session_key(key)
