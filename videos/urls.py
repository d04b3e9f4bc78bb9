"""Routes of videos under /api/v1/."""

from django.urls import URLPattern, URLResolver, path

from videos.api.register import Register

urlpatterns: list[URLPattern | URLResolver] = [
    path("register", Register.as_view(), name="register"),
]
