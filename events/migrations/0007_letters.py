"""Letters that are withheld, and what somebody does not want to be written about."""

import django.db.models.functions.datetime
from django.db import migrations, models

import momentry.common.ids


class Migration(migrations.Migration):
    dependencies = [("events", "0006_fan_out")]

    operations = [
        migrations.CreateModel(
            name="Unsubscription",
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
                    "member",
                    models.UUIDField(editable=False, help_text="The id of the account."),
                ),
                (
                    "topic",
                    models.CharField(
                        choices=[
                            ("expiry", "keys that are about to expire"),
                            ("quota", "limits and storage that are nearly used up"),
                            ("digest", "the week in numbers (staff)"),
                        ],
                        editable=False,
                        max_length=12,
                    ),
                ),
                (
                    "since",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(fields=("member", "topic"), name="unsubscription_once")
                ],
            },
        ),
        migrations.AddField(
            model_name="mail",
            name="withheld_at",
            field=models.DateTimeField(
                blank=True,
                help_text="There was nothing to say any more, or nobody to hear it.",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(
                condition=models.Q(("failed_at", None), ("sent_at", None), ("withheld_at", None)),
                fields=["next_attempt_at"],
                name="mail_waiting",
            ),
        ),
        migrations.RemoveIndex(model_name="mail", name="mail_due"),
    ]
