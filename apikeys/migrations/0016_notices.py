"""What owners were told of their keys' ends and of their limits."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0015_refusals")]

    operations = [
        migrations.CreateModel(
            name="ExpiryReminder",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("days", models.PositiveSmallIntegerField()),
                (
                    "said_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="expiry_reminders",
                        to="apikeys.apikey",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("key", "days"), name="reminder_once"),
                    models.CheckConstraint(
                        condition=models.Q(("days__in", (30, 14, 7, 1, 0))),
                        name="reminder_days_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="QuotaNotice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("subject", models.CharField(help_text="key:<id> or member:<id>.", max_length=44)),
                ("metric", models.CharField(max_length=16)),
                ("period", models.CharField(max_length=8)),
                ("period_start", models.DateTimeField()),
                ("level", models.PositiveSmallIntegerField(help_text="Per cent of the limit.")),
                ("limit", models.PositiveBigIntegerField(help_text="As it was then.")),
                (
                    "said_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("subject", "metric", "period", "period_start", "level"),
                        name="quota_notice_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("level__in", (80, 95, 100))),
                        name="quota_notice_level_known",
                    ),
                ],
            },
        ),
    ]
