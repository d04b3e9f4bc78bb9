"""Burst windows and concurrency of the seeded tiers, where staff have not set any."""

from django.db import migrations

WINDOWS = {
    "trial": (5, 60, 5),
    "starter": (20, 600, 20),
    "professional": (100, 3_000, 100),
}


def set_windows(apps, schema_editor):
    Tier = apps.get_model("apikeys", "Tier")
    for slug, (second, minute, concurrent) in WINDOWS.items():
        Tier.objects.filter(
            slug=slug,
            requests_per_second=None,
            requests_per_minute=None,
            concurrent_requests=None,
        ).update(
            requests_per_second=second,
            requests_per_minute=minute,
            concurrent_requests=concurrent,
        )


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0006_limits_and_templates")]

    operations = [migrations.RunPython(set_windows, migrations.RunPython.noop)]
