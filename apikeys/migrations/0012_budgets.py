"""Limits on tokens and cost beside those on requests; which holds their callers settled."""

import django.core.validators
from django.db import migrations, models

LIMITS = {
    "tokens_per_day": "Tokens per calendar day.",
    "tokens_per_month": "Tokens per calendar month.",
    "tokens_lifetime": "Tokens in all.",
    "cost_micro_per_day": "Cost per calendar day, in millionths of the currency.",
    "cost_micro_per_month": "Cost per calendar month, in millionths of the currency.",
    "cost_micro_lifetime": "Cost in all, in millionths of the currency.",
}


def limit_field(help_text):
    return models.PositiveBigIntegerField(
        blank=True,
        help_text=f"{help_text} Empty is unlimited.",
        null=True,
        validators=[
            django.core.validators.MinValueValidator(
                1, "Leave it empty for unlimited; 0 is not a limit."
            )
        ],
    )


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0011_usage")]

    operations = [
        *(
            migrations.AddField("tier", name, limit_field(help_text))
            for name, help_text in LIMITS.items()
        ),
        *(
            migrations.AddConstraint(
                "tier",
                models.CheckConstraint(
                    condition=models.Q((f"{name}__gt", 0)), name=f"tier_{name}_positive"
                ),
            )
            for name in LIMITS
        ),
        migrations.AlterField(
            "limitoverride",
            "name",
            models.CharField(
                choices=[
                    ("requests_per_second", "requests per second"),
                    ("requests_per_minute", "requests per minute"),
                    ("requests_per_day", "requests per day"),
                    ("requests_per_month", "requests per month"),
                    ("requests_lifetime", "requests in all"),
                    ("concurrent_requests", "requests at a time"),
                    ("tokens_per_day", "tokens per day"),
                    ("tokens_per_month", "tokens per month"),
                    ("tokens_lifetime", "tokens in all"),
                    ("cost_micro_per_day", "millionths of cost per day"),
                    ("cost_micro_per_month", "millionths of cost per month"),
                    ("cost_micro_lifetime", "millionths of cost in all"),
                ],
                max_length=24,
            ),
        ),
        migrations.CreateModel(
            name="SettledHold",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("key_id", models.UUIDField(help_text="Whose units were held.")),
                ("tokens", models.PositiveBigIntegerField(null=True)),
                ("cost_micro", models.PositiveBigIntegerField(help_text="Millionths.", null=True)),
                ("settled_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField(db_index=True, help_text="The hold's own end.")),
            ],
            options={"ordering": ["-settled_at"]},
        ),
    ]
