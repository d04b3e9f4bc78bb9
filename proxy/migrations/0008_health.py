"""Health of targets: what is asked of them, who is out. Release N runs on it too."""

import django.db.models.deletion
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("proxy", "0007_header_rules")]

    operations = [
        migrations.AddField(
            model_name="upstream",
            name="max_retries",
            field=models.PositiveSmallIntegerField(
                db_default=2,
                default=2,
                help_text="Other targets that a request may go on to when one fails it; 0 is none.",
                validators=[MaxValueValidator(5)],
            ),
        ),
        migrations.AddField(
            model_name="upstream",
            name="failure_threshold",
            field=models.PositiveSmallIntegerField(
                db_default=5,
                default=5,
                help_text="Failures in a row that put a target out.",
                validators=[MinValueValidator(1), MaxValueValidator(1000)],
            ),
        ),
        migrations.AddField(
            model_name="upstream",
            name="health_path",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Asked of each target, under its base URL; an answer below 400 is "
                "health. Empty: only targets that are out are tried, by a connection.",
                max_length=200,
                validators=[
                    RegexValidator(r"\A(/[!-~]*)?\Z", "It begins with / and has no blanks.")
                ],
            ),
        ),
        migrations.AddField(
            model_name="upstream",
            name="health_interval_ms",
            field=models.PositiveIntegerField(
                db_default=5_000,
                default=5_000,
                help_text="Between two looks at a target that is in. Milliseconds.",
                validators=[MinValueValidator(500), MaxValueValidator(3_600_000)],
            ),
        ),
        migrations.CreateModel(
            name="Outage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("process", models.CharField(max_length=80)),
                ("since", models.DateTimeField()),
                ("reason", models.CharField(max_length=100)),
                (
                    "target",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="outages",
                        to="proxy.target",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("target", "process"), name="outage_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="DownTarget",
            fields=[
                (
                    "target",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="down",
                        serialize=False,
                        to="proxy.target",
                    ),
                ),
                ("since", models.DateTimeField()),
                ("reason", models.CharField(max_length=100)),
            ],
        ),
    ]
