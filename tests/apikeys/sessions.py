"""Clients that knock as somebody: with a key, with the admin token, with a session of staff."""

from typing import Any

from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from accounts.models import User


def client(secret: str) -> APIClient:
    made = APIClient(raise_request_exception=False)
    made.credentials(HTTP_X_API_KEY=secret)
    return made


def bearer(token: str) -> APIClient:
    made = APIClient(raise_request_exception=False)
    made.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return made


def staff(username: str, **given: Any) -> User:
    """Without a password: hashing some for every test would be most of their time."""
    user = User(username=username, is_staff=True, **given)
    user.set_unusable_password()
    user.save()
    return user


def clerk(username: str, permissions: frozenset[str]) -> User:
    user = staff(username)
    names = {name.partition(".")[2] for name in permissions}
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user


def session(user: User, **headers: str) -> APIClient:
    """With the CSRF token, as the web admin sends it."""
    made = APIClient(enforce_csrf_checks=True, raise_request_exception=False)
    made.force_login(user)
    made.cookies["momentry_csrf"] = "c" * 32
    made.credentials(HTTP_X_CSRFTOKEN="c" * 32, **headers)
    return made
