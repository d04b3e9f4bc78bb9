"""What the routes of keys share: who asks, in which version, and what is answered."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apikeys.api.inputs import RotateInput
from apikeys.api.serializers import KeySerializer, context
from apikeys.gate.scopes import MEMBER_SCOPES
from apikeys.models import ApiKey
from apikeys.services.keys import IssuedKey
from apikeys.services.makers import Maker, system
from apikeys.services.rotate import rotate_key
from apikeys.services.wanted import NewKey
from momentry.common import rest
from momentry.common.access import ADMIN_TOKEN, Access

read, versions_in = rest.read, rest.versions_in


def maker_of(request: Request) -> Maker:
    """ADMIN_TOKEN and superusers hold everything, other staff what members hold, keys their own."""
    access = request.auth if isinstance(request.auth, Access) else Access()
    if access.actor == ADMIN_TOKEN:
        return system(ADMIN_TOKEN)
    http: Any = request._request
    if access.actor.startswith("key:"):
        return Maker(access.actor, access.scopes, not access.is_member_key, http.api_key)
    if getattr(request.user, "is_superuser", False):
        return system(access.actor)
    return Maker(access.actor, MEMBER_SCOPES, makes_services=False)


def new_key(given: dict[str, Any]) -> NewKey:
    listed = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    values = {**given, **listed}
    if "owner" in values:
        values["owner_id"] = values.pop("owner")
    new = NewKey(name="", end_given="expires_at" in given, said=frozenset(given))
    return replace(new, **values)


def answer(key: ApiKey) -> Response:
    """The key as it is now, with its version as a strong ETag."""
    body = KeySerializer(key, context=context(timezone.now())).data
    return Response(body, headers={"ETag": f'"{key.version}"'})


def answer_issued(issued: IssuedKey, place: str, code: int = status.HTTP_200_OK) -> Response:
    """The one answer with the secret. ``place``: where the key is, such as /api/v1/me/keys/…"""
    shown = KeySerializer(issued.key, context=context(timezone.now())).data
    body = {**shown, "api_key": issued.secret, "rotate_url": f"{place}/rotate"}
    headers = {"ETag": f'"{issued.key.version}"', "Cache-Control": "no-store"}
    if code == status.HTTP_201_CREATED:
        headers["Location"] = place
    return Response(body, status=code, headers=headers)


def answer_rotated(request: Request, key: ApiKey, place: str) -> Response:
    seconds = read(RotateInput, request).get("grace_seconds")
    grace = None if seconds is None else timedelta(seconds=seconds)
    return answer_issued(rotate_key(key, maker=maker_of(request), grace=grace), place)
