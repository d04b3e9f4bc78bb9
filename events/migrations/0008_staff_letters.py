"""What staff were written to about."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("events", "0007_letters")]

    operations = [
        migrations.CreateModel(
            name="StaffAlert",
            fields=[
                (
                    "event",
                    models.UUIDField(editable=False, primary_key=True, serialize=False),
                ),
                ("told_at", models.DateTimeField(db_index=True, editable=False)),
            ],
        ),
        migrations.CreateModel(
            name="StaffDigest",
            fields=[("week", models.DateField(primary_key=True, serialize=False))],
        ),
    ]
