"""django-cryptography's primitives, importable with and without a Django project.

The package reads ``django.conf.settings`` while it is imported and stores its back end there. A
process without Django (the gateway) gets bare settings with a random key that nothing uses, so it
never loads ``momentry.settings``. A Django process imports this at its start (KeyRing.load).
"""

import secrets

from django.conf import settings

if not settings.configured:
    settings.configure(CRYPTOGRAPHY_KEY=secrets.token_bytes(32))

from django_cryptography.core.signing import BadSignature, FernetSigner
from django_cryptography.utils.crypto import FernetBytes, InvalidToken

__all__ = ["BadSignature", "FernetBytes", "FernetSigner", "InvalidToken"]
