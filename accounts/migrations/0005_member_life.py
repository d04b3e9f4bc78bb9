"""What a member's life needs besides its status; release N runs on it too.

Suspensions from before belong to whoever made them, as far as their reason tells.
"""

from django.db import migrations, models

FORWARD = """
UPDATE accounts_user SET
    suspended_by = CASE WHEN site_id IS NOT NULL AND status_reason = 'suspended in WordPress'
        THEN 'site:' || replace(site_id::text, '-', '') ELSE 'unknown' END,
    suspension_reason = status_reason
WHERE status = 'suspended';
UPDATE accounts_user SET deleted_at = updated_at WHERE status = 'deleted';
"""


def text(length, help_text=""):
    return models.CharField(
        blank=True,
        db_default="",
        default="",
        editable=False,
        help_text=help_text,
        max_length=length,
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_site_schemes")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="wordpress_username",
            field=text(60, "What WordPress says where staff chose another name; empty: the same."),
        ),
        migrations.AddField(model_name="user", name="wordpress_email", field=text(100)),
        migrations.AddField(
            model_name="user",
            name="suspended_by",
            field=text(60, "Who suspended, as events name them; empty when nobody did."),
        ),
        migrations.AddField(model_name="user", name="suspension_reason", field=text(200)),
        migrations.AddField(
            model_name="user",
            name="welcome_due",
            field=models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                help_text="The welcome is still to be sent.",
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="deleted_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="user",
            name="purged_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="Personal data erased; the tombstone stays.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="version",
            field=models.PositiveIntegerField(
                db_default=1,
                default=1,
                editable=False,
                help_text="Rises with each change; the ETag.",
            ),
        ),
        migrations.RunSQL(FORWARD, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(
                condition=models.Q(("status", "pending")), fields=["id"], name="user_pending"
            ),
        ),
    ]
