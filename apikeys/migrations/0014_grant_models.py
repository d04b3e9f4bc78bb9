"""Which models a grant is for; those that exist, and release N makes, are for all."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0013_slow_digests")]

    operations = [
        migrations.AddField(
            model_name="grant",
            name="models",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=100),
                blank=True,
                db_default=[],
                default=list,
                help_text="Names of models, as calls say them.",
                size=None,
            ),
        ),
    ]
