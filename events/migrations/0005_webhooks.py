import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import events.webhooks.filters
import momentry.common.crypto.fields
import momentry.common.ids
import momentry.common.validators


class Migration(migrations.Migration):
    dependencies = [("events", "0004_refusals")]

    operations = [
        migrations.CreateModel(
            name="WebhookEndpoint",
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
                    "sealed_url",
                    momentry.common.crypto.fields.EncryptedField(
                        help_text="Path and query are often as good as a password.",
                        max_length=500,
                        validators=[momentry.common.validators.validate_webhook_url],
                        verbose_name="URL",
                    ),
                ),
                (
                    "host",
                    models.CharField(editable=False, help_text="Of the URL.", max_length=500),
                ),
                ("description", models.CharField(blank=True, db_default="", max_length=100)),
                (
                    "kinds",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            max_length=60,
                            validators=[events.webhooks.filters.validate_pattern],
                        ),
                        help_text="Kinds of events, comma-separated; * stands for anything: apikey:*, *:deleted, *",
                        size=50,
                    ),
                ),
                (
                    "secret",
                    momentry.common.crypto.fields.EncryptedField(
                        help_text="whsec_… of Standard Webhooks; shown once."
                    ),
                ),
                (
                    "former_secrets",
                    momentry.common.crypto.fields.EncryptedField(
                        blank=True,
                        help_text="JSON: those that sign too, each until its moment.",
                        null=True,
                    ),
                ),
                (
                    "former_until",
                    models.DateTimeField(
                        blank=True,
                        editable=False,
                        help_text="The last of those moments.",
                        null=True,
                    ),
                ),
                (
                    "is_environment",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        editable=False,
                        help_text="WEBHOOK_URL says all of it.",
                    ),
                ),
                ("disabled_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "disabled_for",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("staff", "by staff"),
                            ("gone", "it answered 410"),
                            ("failing", "nothing arrived for days"),
                            ("unset", "WEBHOOK_URL is not set"),
                        ],
                        db_default="",
                        editable=False,
                        max_length=8,
                    ),
                ),
                ("succeeded_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("failed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("failing_since", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "version",
                    models.PositiveIntegerField(db_default=1, default=1, editable=False),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "ordering": ["-created_at"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_environment", True)),
                        fields=("is_environment",),
                        name="webhook_environment_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("disabled_at", None), ("disabled_for", "")),
                            models.Q(
                                models.Q(("disabled_at", None), _negated=True),
                                models.Q(("disabled_for", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="webhook_disabled_for",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="WebhookFanOut",
            fields=[
                (
                    "event",
                    models.UUIDField(editable=False, primary_key=True, serialize=False),
                ),
                ("kind", models.CharField(max_length=40)),
                (
                    "endpoints",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), size=None
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name="WebhookDelivery",
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
                ("kind", models.CharField(max_length=40)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("next_attempt_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "lease",
                    models.UUIDField(
                        editable=False, help_text="Of the relay that sends it.", null=True
                    ),
                ),
                ("leased_until", models.DateTimeField(editable=False, null=True)),
                ("tries", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("attempts", models.JSONField(default=list)),
                ("last_status", models.PositiveSmallIntegerField(null=True)),
                ("last_error", models.CharField(blank=True, db_default="", max_length=200)),
                ("delivered_at", models.DateTimeField(null=True)),
                (
                    "failed_at",
                    models.DateTimeField(
                        help_text="Given up; an action sends it again.", null=True
                    ),
                ),
                (
                    "endpoint",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="events.webhookendpoint",
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="events.event",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "webhook deliveries",
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("delivered_at", None), ("failed_at", None)),
                        fields=["endpoint", "next_attempt_at"],
                        name="webhook_due",
                    ),
                    models.Index(
                        fields=["endpoint", "-created_at", "-id"], name="webhook_of_endpoint"
                    ),
                    models.Index(fields=["-created_at", "-id"], name="webhook_newest"),
                    models.Index(fields=["kind", "-created_at", "-id"], name="webhook_of_kind"),
                    models.Index(
                        condition=models.Q(("delivered_at", None), ("failed_at", None)),
                        fields=["-created_at", "-id"],
                        name="webhook_waiting",
                    ),
                    models.Index(
                        condition=models.Q(("failed_at", None), _negated=True),
                        fields=["-created_at", "-id"],
                        name="webhook_failed",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("event", "endpoint"), name="webhook_delivery_once"
                    )
                ],
            },
        ),
    ]
