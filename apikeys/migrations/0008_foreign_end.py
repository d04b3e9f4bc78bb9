from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0007_tier_windows")]

    operations = [
        migrations.AddField(
            model_name="foreignsecret",
            name="ends_at",
            field=models.DateTimeField(
                blank=True, editable=False, help_text="Set when a rotation retired it.", null=True
            ),
        ),
    ]
