"""Another way to make the fingerprint; the column stays as it is."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("common", "0002_fence")]

    operations = [
        migrations.AlterField(
            model_name="idempotencyrecord",
            name="fingerprint",
            field=models.CharField(
                help_text="HMAC-SHA-256 of method, path and body.", max_length=64
            ),
        )
    ]
