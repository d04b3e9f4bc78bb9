"""The chain of events: columns for places, its two ends, and its keys. Nothing here reads the table,
so those who record events wait for no more than a moment; what takes long is in 0003.
"""

import django.utils.timezone
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

import momentry.common.crypto.fields
import momentry.common.ids


class Migration(migrations.Migration):
    dependencies = [("events", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="AuditKey",
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
                ("key", momentry.common.crypto.fields.EncryptedField(help_text="Hexadecimal.")),
                (
                    "since",
                    models.BigIntegerField(help_text="The first place it is for.", unique=True),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={"ordering": ["since"]},
        ),
        migrations.CreateModel(
            name="Chain",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False),
                ),
                (
                    "base_seq",
                    models.BigIntegerField(
                        help_text="The last place that retention let go; 0: none."
                    ),
                ),
                (
                    "lost_seq",
                    models.BigIntegerField(
                        default=0,
                        help_text="Rows up to here are from before a restart; 0: there are none.",
                    ),
                ),
                ("base_hash", models.BinaryField(max_length=32)),
                ("head_seq", models.BigIntegerField(help_text="The last place that was sealed.")),
                ("head_hash", models.BinaryField(max_length=32)),
                (
                    "key_id",
                    models.UUIDField(help_text="The audit key that seals, and signs this row."),
                ),
                ("mac", models.BinaryField(max_length=32)),
                ("sealed_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "told_at",
                    models.DateTimeField(help_text="When its end was last told.", null=True),
                ),
            ],
        ),
        migrations.AddField(
            model_name="event",
            name="proof",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="That a process of ours recorded it; until it is sealed.",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="event",
            name="seq",
            field=models.BigIntegerField(
                editable=False,
                help_text="Its place; none until it is sealed.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="event",
            name="hash",
            field=models.BinaryField(
                help_text="HMAC over the one before and this row.", max_length=32, null=True
            ),
        ),
        migrations.AddField(
            model_name="event",
            name="details_mac",
            field=models.BinaryField(
                help_text="Stands for the details in the hash; empty: none.",
                max_length=32,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="event",
            name="erasure",
            field=momentry.common.crypto.fields.EncryptedField(
                blank=True,
                help_text="When we erased the details; nobody else can make it.",
                null=True,
            ),
        ),
        AddConstraintNotValid(
            model_name="event",
            constraint=models.CheckConstraint(
                condition=models.Q(("details_mac", None), ("hash", None), ("seq", None))
                | models.Q(("details_mac__isnull", False), ("hash__isnull", False), ("seq__gt", 0)),
                name="event_sealed_whole",
            ),
        ),
    ]
