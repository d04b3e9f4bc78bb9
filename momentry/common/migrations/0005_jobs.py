"""Scheduled work and its runs; what rounds did."""

from django.db import migrations, models
from django.db.models.functions import Now

OUTCOMES = [
    ("waiting", "Waiting"),
    ("running", "Running"),
    ("done", "Done"),
    ("failed", "Failed"),
    ("missed", "missed: the next was due before it began"),
    ("lost", "lost: its workers ended in the middle"),
]


class Migration(migrations.Migration):
    dependencies = [("common", "0004_once")]

    operations = [
        migrations.CreateModel(
            name="ScheduledJob",
            fields=[
                ("name", models.CharField(max_length=200, primary_key=True, serialize=False)),
                ("task", models.CharField(max_length=200)),
                (
                    "is_ours",
                    models.BooleanField(
                        default=False, help_text="Of the settings, not made by staff."
                    ),
                ),
                (
                    "default",
                    models.CharField(
                        blank=True,
                        help_text="The time that we wrote last: staff's differs.",
                        max_length=400,
                    ),
                ),
                (
                    "named_at",
                    models.DateTimeField(
                        help_text="When a beat last had it in its settings, of ours.", null=True
                    ),
                ),
                ("next_due_at", models.DateTimeField(help_text="Empty: switched off.", null=True)),
                (
                    "owed_since",
                    models.DateTimeField(
                        help_text="When the first run was due of those since one was done.",
                        null=True,
                    ),
                ),
                ("done", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("failed", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("missed", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("lost", models.PositiveBigIntegerField(db_default=0, default=0)),
                (
                    "seconds",
                    models.FloatField(db_default=0, default=0, help_text="Of all runs together."),
                ),
                ("last_outcome", models.CharField(blank=True, choices=OUTCOMES, max_length=8)),
                ("last_began_at", models.DateTimeField(null=True)),
                ("last_done_at", models.DateTimeField(null=True)),
                ("last_seconds", models.FloatField(null=True)),
                ("last_said", models.CharField(blank=True, max_length=200)),
            ],
            options={"ordering": ["name"]},
        ),
        migrations.CreateModel(
            name="JobRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("job", models.CharField(max_length=200)),
                ("task", models.CharField(max_length=200)),
                ("due_at", models.DateTimeField(help_text="Empty: staff started it.", null=True)),
                ("outcome", models.CharField(choices=OUTCOMES, default="waiting", max_length=8)),
                ("sent_at", models.DateTimeField(db_default=Now())),
                ("sends", models.PositiveSmallIntegerField(default=1)),
                ("started_at", models.DateTimeField(null=True)),
                ("leased_until", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("seconds", models.FloatField(null=True)),
                ("said", models.CharField(blank=True, max_length=200)),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("message", models.CharField(blank=True, max_length=64)),
                ("retries", models.PositiveSmallIntegerField(default=0)),
                ("worker", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["job", "-id"], name="job_run_latest"),
                    models.Index(
                        condition=models.Q(("ended_at", None)), fields=["id"], name="job_run_open"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("job", "due_at"), name="job_run_once"),
                    models.UniqueConstraint(
                        condition=models.Q(("due_at", None)),
                        fields=("message",),
                        name="job_run_by_hand_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RoundCount",
            fields=[
                ("name", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("turns", models.PositiveBigIntegerField(default=0)),
                ("failures", models.PositiveBigIntegerField(default=0)),
                ("seconds", models.FloatField(default=0)),
                (
                    "turned_at",
                    models.DateTimeField(
                        help_text="When the last turn ended well, or one that lasts came on.",
                        null=True,
                    ),
                ),
                (
                    "named_at",
                    models.DateTimeField(db_default=Now(), help_text="When a process last had it."),
                ),
            ],
        ),
    ]
