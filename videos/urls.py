"""Routes under /api/v1/ of videos, uploads and jobs."""

from django.urls import URLPattern, URLResolver, include, path
from rest_framework.routers import SimpleRouter

from videos.api.jobs import JobViewSet
from videos.api.register import Register
from videos.api.videos import VideoViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("videos", VideoViewSet, basename="video")
router.register("jobs", JobViewSet, basename="job")

urlpatterns: list[URLPattern | URLResolver] = [
    path("register", Register.as_view(), name="register"),
    path("", include(router.urls)),
"""Routes of videos under /api/v1/."""

from django.urls import URLPattern, URLResolver, path

from videos.api.sftpgo import SftpgoHook

urlpatterns: list[URLPattern | URLResolver] = [
    path("hooks/sftpgo", SftpgoHook.as_view(), name="hook-sftpgo"),
]
