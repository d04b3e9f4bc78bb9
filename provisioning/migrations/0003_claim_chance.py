"""A claim link is for a key, or for the SFTP password of its owner; release N runs on it too."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("provisioning", "0002_tasks")]

    operations = [
        migrations.AddField(
            model_name="claimlink",
            name="chance",
            field=models.CharField(
                choices=[("key", "key"), ("password", "SFTP password")],
                db_default="key",
                default="key",
                editable=False,
                max_length=8,
            ),
        ),
        migrations.AddConstraint(
            model_name="claimlink",
            constraint=models.CheckConstraint(
                condition=models.Q(("chance__in", ["key", "password"])), name="claim_chance_known"
            ),
        ),
    ]
