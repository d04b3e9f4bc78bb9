"""What is done to header fields; nothing for upstreams that exist, or that release N makes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("proxy", "0006_target_credentials")]

    operations = [
        migrations.AddField(
            model_name="upstream",
            name="header_rules",
            field=models.JSONField(
                blank=True,
                db_default=[],
                default=list,
                help_text="A list of action (set, add, remove), on (request, response), name,"
                " value.",
            ),
        ),
    ]
