"""Indexes of the lists: each filter of one member finds its rows in order."""

from django.conf import settings
from django.contrib.postgres.indexes import HashIndex
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("videos", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="processingjob",
            index=models.Index(
                models.F("video"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="job_of_video",
            ),
        ),
        migrations.AddIndex(
            model_name="processingjob",
            index=models.Index(
                models.F("state"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="job_in_state",
            ),
        ),
        migrations.AddIndex(
            model_name="processingjob",
            index=models.Index(
                models.F("owner"),
                models.F("state"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="job_of_owner_in_state",
            ),
        ),
        migrations.AddIndex(
            model_name="video",
            index=models.Index(
                models.F("owner"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("deleted_at", None)),
                name="video_live",
            ),
        ),
        migrations.AddIndex(
            model_name="video",
            index=models.Index(
                models.F("owner"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("deleted_at", None), _negated=True),
                name="video_deleted",
            ),
        ),
        migrations.AddIndex(
            model_name="video",
            index=models.Index(
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("over_quota", True)),
                name="video_over_quota",
            ),
        ),
        migrations.AddIndex(
            model_name="video",
            index=models.Index(
                models.F("owner"),
                models.F("name"),
                models.F("id"),
                condition=models.Q(("deleted_at", None)),
                name="video_by_name",
            ),
        ),
        migrations.AddIndex(
            model_name="video",
            index=models.Index(
                models.F("owner"),
                models.F("size"),
                models.F("id"),
                condition=models.Q(("deleted_at", None)),
                name="video_by_size",
            ),
        ),
        migrations.AddIndex(
            model_name="video",
            index=HashIndex(
                condition=models.Q(("location", ""), _negated=True),
                fields=["location"],
                name="video_at",
            ),
        ),
    ]
