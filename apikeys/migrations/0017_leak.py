"""Keys that were found where they should not be."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import momentry.common.crypto.fields
import momentry.common.ids


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0016_notices"),
    ]

    operations = [
        migrations.CreateModel(
            name="Leak",
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
                ("origin", models.CharField(help_text="Who found it.", max_length=32)),
                (
                    "source",
                    models.CharField(
                        blank=True, help_text="In what, as the finder says.", max_length=60
                    ),
                ),
                (
                    "where",
                    momentry.common.crypto.fields.EncryptedField(
                        blank=True, help_text="Address or path.", null=True
                    ),
                ),
                (
                    "place",
                    models.CharField(
                        editable=False,
                        help_text="SHA-256 of who found it and where.",
                        max_length=64,
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("quarantined", "quarantined"),
                            ("reported", "only reported"),
                            ("ended", "had ended before"),
                        ],
                        max_length=12,
                    ),
                ),
                ("found_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "told_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When a letter to the owner was queued.",
                        null=True,
                    ),
                ),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="leaks",
                        to="apikeys.apikey",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [models.UniqueConstraint(fields=("key", "place"), name="leak_once")],
            },
        ),
    ]
