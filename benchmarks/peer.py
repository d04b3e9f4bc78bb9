"""The other side of keys_verify.py: Django REST framework with djangorestframework-api-key.

Run by gunicorn in a virtual environment of its own. ``python peer.py keys COUNT`` makes the tables
and prints as many keys. As small and quick as its documentation allows: no middleware, JSON alone,
DEBUG off, one kept PostgreSQL connection per thread.
"""

import os
import sys

import django
from django.conf import settings
from psycopg.conninfo import conninfo_to_dict

place = conninfo_to_dict(os.environ["PEER_DATABASE_URL"])
settings.configure(
    DEBUG=False,
    ALLOWED_HOSTS=["*"],
    SECRET_KEY=os.urandom(32).hex(),
    ROOT_URLCONF="peer",
    INSTALLED_APPS=["rest_framework", "rest_framework_api_key"],
    MIDDLEWARE=[],
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": place["dbname"],
            "USER": place["user"],
            "PASSWORD": place["password"],
            "HOST": place["host"],
            "CONN_MAX_AGE": None,
        }
    },
    REST_FRAMEWORK={
        "UNAUTHENTICATED_USER": None,
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    },
)
django.setup()

from django.core.management import call_command  # noqa: E402  after django.setup()
from django.core.wsgi import get_wsgi_application  # noqa: E402  after django.setup()
from django.urls import path  # noqa: E402  after django.setup()
from rest_framework.request import Request  # noqa: E402  after django.setup()
from rest_framework.response import Response  # noqa: E402  after django.setup()
from rest_framework.views import APIView  # noqa: E402  after django.setup()
from rest_framework_api_key.models import (  # type: ignore[import-not-found]  # noqa: E402  peer's
    APIKey,
)
from rest_framework_api_key.permissions import (  # type: ignore[import-not-found]  # noqa: E402
    HasAPIKey,
)


class Shown(APIView):
    """The key in the header alone."""

    permission_classes = [HasAPIKey]

    def post(self, request: Request) -> Response:
        return Response({"valid": True})


class Asked(APIView):
    """What ours does: the caller's key in the header, and the key asked about in the body."""

    permission_classes = [HasAPIKey]

    def post(self, request: Request) -> Response:
        asked = dict(request.data)
        return Response({"valid": APIKey.objects.is_valid(asked["key"])})


urlpatterns = [path("shown", Shown.as_view()), path("asked", Asked.as_view())]
application = get_wsgi_application()

if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    for number in range(int(sys.argv[2])):
        print(APIKey.objects.create_key(name=f"key {number}")[1])
