"""Whose files SFTPGo tells of: a member's, or those of a name that nobody here has."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from django.db import connection
from django.db.models import QuerySet

from accounts.models import User
from accounts.services import storage
from videos import files
from videos.models import Source, Video
from videos.services.registering import Registered, register
from videos.sftpgo import Told

ACTOR: Final = "sftpgo"
LABEL_LENGTH: Final = 60  # of Video.owner_label


@dataclass(frozen=True)
class Tree:
    """``owner`` None: of nobody yet; ``label`` keeps whose the files are in SFTPGo, ``root`` where
    they are there, as far as what is told now says it."""

    owner: User | None
    label: str
    root: str = ""

    @property
    def key(self) -> str:
        return self.owner.pk.hex if self.owner is not None else f"sftpgo {self.label}"

    def lock(self) -> None:
        """One writer, to the end of the transaction; before any video, as everywhere."""
        if self.owner is not None:
            User.objects.select_for_update(no_key=True).only("pk").get(pk=self.owner.pk)
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [self.key])

    def videos(self) -> QuerySet[Video]:
        """Live ones."""
        if self.owner is not None:
            return Video.objects.filter(owner=self.owner, deleted_at=None)
        return Video.objects.filter(owner=None, owner_label=self.label, deleted_at=None)

    def location_of(self, path: str) -> str:
        """Where SFTPGo did not say it."""
        home = files.location_of(self.owner, path) if self.owner is not None else ""
        if home or (self.owner is not None and not self.root):
            return home
        return f"{self.root or self.label}{path}"

    def put(self, path: str, size: int, location: str) -> Registered:
        """A file is there: it is registered whether it fits or not."""
        if self.owner is None:  # then register() knows it by its location
            known = self.videos().filter(path=path).values_list("location", flat=True).first()
            location = known or location
        given: dict[str, Any] = {"location": location or self.location_of(path)}
        given |= {"source": Source.SFTPGO, "anyway": True, "actor": ACTOR}
        done = register(self.owner, path, size, **given)
        if self.owner is None and not done.video.owner_label:
            Video.objects.filter(pk=done.video.pk).update(owner_label=self.label)
        return done

    def give_back(self, size: int) -> None:
        if self.owner is not None:
            storage.give_back(self.owner.pk, size)

    def take(self, size: int) -> bool:
        """Does all fit?"""
        return self.owner is None or storage.take_anyway(self.owner.pk, size)


def tree_of(told: Told) -> Tree:
    """By the name in SFTPGo, which is a member's for good: also of one that was deleted."""
    owner = User.objects.filter(sftpgo_username=told.username, purged_at=None).first()
    is_below = told.location.endswith(told.path)
    root = told.location.removesuffix(told.path) if is_below else ""
    return Tree(owner, label_of(told.username), root)


def label_of(username: str) -> str:
    if len(username) <= LABEL_LENGTH:
        return username
    ending = sha256(username.encode()).hexdigest()[:8]
    return f"{username[: LABEL_LENGTH - 9]}~{ending}"
