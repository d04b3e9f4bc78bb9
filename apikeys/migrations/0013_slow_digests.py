"""Indexes that tell at once whether any digest takes a slow proof."""

from django.db import migrations, models

SLOW = models.Q(digest__regex=r"^\$argon2id\$")


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0012_budgets")]

    operations = [
        migrations.AddIndex(
            "apikey", models.Index(fields=["id"], name="apikey_slow", condition=SLOW)
        ),
        migrations.AddIndex(
            "retiredsecret", models.Index(fields=["ends_at"], name="retired_slow", condition=SLOW)
        ),
        migrations.AddIndex(
            "foreignsecret", models.Index(fields=["ends_at"], name="foreign_slow", condition=SLOW)
        ),
    ]
