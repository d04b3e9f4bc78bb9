"""How large an upstream's answers may be; of those that exist unlimited."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("proxy", "0003_fence")]

    operations = [
        migrations.AddField(
            model_name="upstream",
            name="max_response_bytes",
            field=models.PositiveBigIntegerField(
                blank=True,
                help_text="Largest body of an answer. Empty is unlimited.",
                null=True,
            ),
        ),
    ]
