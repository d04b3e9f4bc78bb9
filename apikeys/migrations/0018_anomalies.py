"""What keys do by the hour and from where, and what was unusual of it."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import momentry.common.ids


def serial() -> models.BigAutoField:
    return models.BigAutoField(
        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
    )


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0017_leak"),
    ]

    operations = [
        migrations.CreateModel(
            name="KeyHour",
            fields=[
                ("id", serial()),
                ("key_id", models.UUIDField()),
                ("hour", models.DateTimeField()),
                ("requests", models.BigIntegerField()),
                (
                    "failures",
                    models.BigIntegerField(help_text="Answers 4xx that are not refused."),
                ),
                ("refused", models.BigIntegerField(default=0, help_text="By the gate or a limit.")),
                ("cost_micro", models.BigIntegerField(help_text="Millionths.")),
                (
                    "is_due",
                    models.BooleanField(
                        default=False,
                        help_text=(
                            "It reached a floor, or has a new network, and was not judged yet."
                        ),
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["hour"], name="keyhour_hour"),
                    models.Index(
                        fields=["hour", "key_id"],
                        name="keyhour_due",
                        condition=models.Q(("is_due", True)),
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("key_id", "hour"), name="keyhour_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="KeyNetwork",
            fields=[
                ("id", serial()),
                ("key_id", models.UUIDField()),
                ("network", models.CharField(max_length=43)),
                ("first_seen", models.DateTimeField()),
                ("last_seen", models.DateTimeField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["first_seen"], name="keynetwork_first"),
                    models.Index(fields=["last_seen"], name="keynetwork_last"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("key_id", "network"), name="keynetwork_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="WatchMark",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False),
                ),
                ("gathered_until", models.DateTimeField()),
                ("exact_until", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="watchmark_one")
                ],
            },
        ),
        migrations.CreateModel(
            name="Anomaly",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=momentry.common.ids.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "rule",
                    models.CharField(
                        choices=[
                            ("rate", "unusual rate"),
                            ("failures", "many failures"),
                            ("networks", "new networks"),
                            ("cost", "sudden cost"),
                        ],
                        max_length=8,
                    ),
                ),
                ("hour", models.DateTimeField()),
                ("value", models.FloatField()),
                ("usual", models.FloatField()),
                ("threshold", models.FloatField()),
                (
                    "quarantined",
                    models.BooleanField(default=False, help_text="The key ended because of it."),
                ),
                ("found_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="anomalies",
                        to="apikeys.apikey",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "anomalies",
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["found_at"], name="anomaly_found")],
                "constraints": [
                    models.UniqueConstraint(fields=("key", "rule", "hour"), name="anomaly_once")
                ],
            },
        ),
    ]
