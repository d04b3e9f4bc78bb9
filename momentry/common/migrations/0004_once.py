"""What is done once in a database's life."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("common", "0003_fingerprint")]

    operations = [
        migrations.CreateModel(
            name="Once",
            fields=[
                ("name", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("done_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
    ]
