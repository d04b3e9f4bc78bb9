"""Prices of tokens, which gateways follow as they follow upstreams (proxy.0003)."""

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import momentry.common.ids
from django.db import migrations, models

FORWARD = """
CREATE CONSTRAINT TRIGGER momentry_fence AFTER INSERT OR UPDATE OR DELETE ON proxy_price
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION momentry_fence_row('upstreams', '');
"""
BACKWARD = "DROP TRIGGER momentry_fence ON proxy_price;"


class Migration(migrations.Migration):
    dependencies = [
        ("proxy", "0008_health"),
    ]

    operations = [
        migrations.CreateModel(
            name="Price",
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
                    "model",
                    models.CharField(
                        help_text="As the upstream names it; a * at the end stands for anything.",
                        max_length=100,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A(?=.)[^*\\x00-\\x1f\\x7f]*\\*?\\Z", "A * at the end only."
                            )
                        ],
                    ),
                ),
                (
                    "input_micro",
                    models.PositiveBigIntegerField(
                        help_text="What is read. Millionths of the currency for 1,000,000 tokens.",
                        validators=[django.core.validators.MaxValueValidator(1000000000000)],
                    ),
                ),
                (
                    "cached_micro",
                    models.PositiveBigIntegerField(
                        blank=True,
                        help_text="What is read from a cache; empty: as what is read. Millionths of the currency for 1,000,000 tokens.",
                        null=True,
                        validators=[django.core.validators.MaxValueValidator(1000000000000)],
                    ),
                ),
                (
                    "output_micro",
                    models.PositiveBigIntegerField(
                        help_text="What is written, reasoning too. Millionths of the currency for 1,000,000 tokens.",
                        validators=[django.core.validators.MaxValueValidator(1000000000000)],
                    ),
                ),
                (
                    "max_tokens",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Of one answer, where the call does not say; held of budgets. Empty: 4,096.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(1000000000),
                        ],
                    ),
                ),
                ("effective_from", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "upstream",
                    models.ForeignKey(
                        blank=True,
                        help_text="Empty: all of them.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="prices",
                        to="proxy.upstream",
                    ),
                ),
            ],
            options={
                "ordering": ["model", "-effective_from"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("upstream", "model", "effective_from"),
                        name="price_once",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
