"""Which upstream /v1 leads to: none, until somebody says so."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("proxy", "0009_price")]

    operations = [
        migrations.AddField(
            model_name="upstream",
            name="serves_v1",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="/v1/… leads here too, for OpenAI's clients. One upstream does, if any.",
                verbose_name="serves /v1",
            ),
        ),
        migrations.AddConstraint(
            model_name="upstream",
            constraint=models.UniqueConstraint(
                condition=models.Q(("serves_v1", True)),
                fields=("serves_v1",),
                name="one_serves_v1",
            ),
        ),
    ]
