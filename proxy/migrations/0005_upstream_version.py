"""An upstream's version (its ETag), and no time-out of nothing; release N runs on it too."""

from django.core.validators import MinValueValidator
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("proxy", "0004_max_response")]

    operations = [
        migrations.AddField(
            model_name="upstream",
            name="version",
            field=models.PositiveIntegerField(
                db_default=1,
                default=1,
                editable=False,
                help_text="Rises with each change, targets too.",
            ),
        ),
        migrations.AlterField(
            model_name="upstream",
            name="total_timeout_ms",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Whole exchange, milliseconds. Empty is unlimited.",
                null=True,
                validators=[MinValueValidator(1)],
            ),
        ),
    ]
