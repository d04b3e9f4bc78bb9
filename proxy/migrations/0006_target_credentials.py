"""Several credentials per target. What targets hold is sealed anew, under its row in the new table.

Expand: the old column stays as it is, because processes of the release before read it until they
are replaced. Nothing here reads it any more; it goes in a later release.
"""

import logging

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import momentry.common.crypto.fields
import momentry.common.ids
from momentry.common.crypto.errors import EnvelopeError

FORWARD = """
CREATE CONSTRAINT TRIGGER momentry_fence AFTER INSERT OR UPDATE OR DELETE ON proxy_targetcredential
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION momentry_fence_row('upstreams', '');
"""
BACKWARD = "DROP TRIGGER momentry_fence ON proxy_targetcredential;"


def copy(apps, schema_editor):
    """One that does not open, its key lost or its text altered, is taken over as it is: it counts
    as a credential that must be given anew, as before."""
    target_model = apps.get_model("proxy", "Target")
    credential_model = apps.get_model("proxy", "TargetCredential")
    for target in target_model.objects.filter(credential__isnull=False).order_by("pk").iterator():
        made = credential_model(target=target, created_at=target.created_at)
        try:
            made.secret = target.credential
            made.save(force_insert=True)
        except EnvelopeError as error:
            logging.getLogger("momentry").warning("target %s: %s Give it anew.", target.pk, error)
            keep_sealed(schema_editor, made, target)


def keep_sealed(schema_editor, made, target):
    sealed = target._meta.get_field("credential").value_from_object(target)
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO proxy_targetcredential (id, target_id, secret, label, is_active,"
            " created_at) VALUES (%s, %s, %s, '', true, %s)",
            [made.pk, target.pk, str.__str__(sealed), made.created_at],
        )


class Migration(migrations.Migration):
    dependencies = [("proxy", "0005_upstream_version")]

    operations = [
        migrations.CreateModel(
            name="TargetCredential",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=momentry.common.ids.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "target",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="credentials",
                        to="proxy.target",
                    ),
                ),
                ("secret", momentry.common.crypto.fields.EncryptedField(max_length=4096)),
                (
                    "label",
                    models.CharField(
                        blank=True, default="", help_text="Which one it is.", max_length=60
                    ),
                ),
                ("is_active", models.BooleanField(default=True)),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
            ],
            options={"ordering": ["created_at", "id"]},
        ),
        # In this order: a table with events of a trigger pending takes no foreign key.
        migrations.RunPython(copy, migrations.RunPython.noop),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
