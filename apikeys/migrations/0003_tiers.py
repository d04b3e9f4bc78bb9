"""The four tiers, and their grant on the bundled echo upstream."""

from django.db import migrations

TIERS = [
    ("trial", "Trial", 1_000, 14),
    ("starter", "Starter", 10_000, None),
    ("professional", "Professional", 100_000, None),
    ("enterprise", "Enterprise", None, None),
]
ECHO = "echo"


def make_tiers(apps, schema_editor):
    Tier = apps.get_model("apikeys", "Tier")
    Grant = apps.get_model("apikeys", "Grant")
    for slug, name, per_month, days in TIERS:
        Tier.objects.create(
            slug=slug,
            name=name,
            requests_per_month=per_month,
            storage_bytes=10 * 1024**3,
            key_lifetime_days=days,
        )
        Grant.objects.create(tier_id=slug, upstream=ECHO)


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0002_request_log")]

    operations = [migrations.RunPython(make_tiers, migrations.RunPython.noop)]
