"""The models an upstream offers, which gateways follow as they follow upstreams (proxy.0003)."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import momentry.common.ids

FORWARD = """
CREATE CONSTRAINT TRIGGER momentry_fence AFTER INSERT OR UPDATE OR DELETE ON proxy_upstreammodel
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION momentry_fence_row('upstreams', '');
"""
BACKWARD = "DROP TRIGGER momentry_fence ON proxy_upstreammodel;"


class Migration(migrations.Migration):
    dependencies = [("proxy", "0010_serves_v1")]

    operations = [
        migrations.AddField(
            model_name="upstream",
            name="models_only",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Calls that name none of its models are refused. Else they go on as they"
                " came.",
            ),
        ),
        migrations.CreateModel(
            name="UpstreamModel",
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
                    "upstream",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="models",
                        to="proxy.upstream",
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="As clients say it.",
                        max_length=100,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[!-~]+\\Z", "Printable ASCII without blanks."
                            )
                        ],
                    ),
                ),
                (
                    "sent_as",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="The upstream's own name of it. Empty: the same.",
                        max_length=100,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[!-~]*\\Z", "Printable ASCII without blanks."
                            )
                        ],
                    ),
                ),
                (
                    "targets",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=200),
                        blank=True,
                        default=list,
                        help_text="Base URLs of the targets that serve it. Empty: all of them.",
                        size=None,
                    ),
                ),
                ("is_active", models.BooleanField(default=True)),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
            ],
            options={
                "ordering": ["name"],
                "constraints": [
                    models.UniqueConstraint(fields=("upstream", "name"), name="model_once")
                ],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
