"""Refusals wait here for the event that tells them (events.refusals)."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("events", "0003_chain_kept")]

    operations = [
        migrations.CreateModel(
            name="Refusal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("code", models.CharField(max_length=40)),
                ("request_id", models.UUIDField(null=True)),
                ("client_address", models.GenericIPAddressField(null=True)),
                ("key_id", models.UUIDField(null=True)),
                ("member_id", models.UUIDField(null=True)),
                ("staff_id", models.UUIDField(null=True)),
                ("count", models.PositiveBigIntegerField(default=1)),
            ],
            options={"db_table": "events_refusal"},
        ),
        migrations.CreateModel(
            name="RefusalTally",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hour", models.DateTimeField()),
                ("code", models.CharField(max_length=40)),
                (
                    "network",
                    models.CharField(
                        blank=True, help_text="Empty: of several, or none.", max_length=43
                    ),
                ),
                ("key_id", models.UUIDField(null=True)),
                ("member_id", models.UUIDField(null=True)),
                ("staff_id", models.UUIDField(null=True)),
                ("count", models.PositiveBigIntegerField(default=0)),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("requests", models.JSONField(default=list, help_text="Ids of some of them.")),
                (
                    "told_at",
                    models.DateTimeField(null=True, help_text="When an event first told of it."),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("hour", "code", "network", "key_id", "staff_id"),
                        name="refusaltally_once",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
    ]
