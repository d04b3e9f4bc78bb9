"""Leases: units of a counter that a gateway process holds in memory."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0009_fence"),
    ]

    operations = [
        migrations.CreateModel(
            name="Lease",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("process", models.CharField(max_length=64)),
                ("granted", models.PositiveBigIntegerField()),
                ("spent", models.PositiveBigIntegerField(db_default=0)),
                ("seq", models.PositiveBigIntegerField()),
            ],
        ),
        migrations.AddField(
            model_name="counter",
            name="leased",
            field=models.PositiveBigIntegerField(db_default=0, help_text="Those that leases hold."),
        ),
        migrations.AlterField(
            model_name="counter",
            name="used",
            field=models.PositiveBigIntegerField(
                default=0, help_text="Units taken, on lease or spent."
            ),
        ),
        migrations.AddConstraint(
            model_name="counter",
            constraint=models.CheckConstraint(
                condition=models.Q(("leased__gte", 0), ("leased__lte", models.F("used"))),
                name="counter_leased_of_used",
            ),
        ),
        migrations.AddField(
            model_name="lease",
            name="counter",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="leases",
                to="apikeys.counter",
            ),
        ),
        migrations.AddConstraint(
            model_name="lease",
            constraint=models.UniqueConstraint(fields=("process", "counter"), name="lease_once"),
        ),
        migrations.AddConstraint(
            model_name="lease",
            constraint=models.CheckConstraint(
                condition=models.Q(("spent__gte", 0), ("spent__lte", models.F("granted"))),
                name="lease_spent_of_granted",
            ),
        ),
    ]
