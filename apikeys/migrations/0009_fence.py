"""What processes remember of keys and their rights is forgotten when it changes (common.0002).

last_used_at, version and texts for people are not among it.
"""

from django.db import migrations

REMEMBERED = (
    "digest",
    "key_type",
    "role",
    "scopes",
    "owner_id",
    "tier_id",
    "metadata",
    "expires_at",
    "disabled_at",
    "revoked_at",
    "quarantined_at",
    "allowed_networks",
)
SUBJECTS = {
    "apikeys_retiredsecret": "'key', 'key_id'",
    "apikeys_foreignsecret": "'key', 'key_id'",
    "apikeys_limitoverride": "'key', 'key_id', 'member', 'member_id'",
    "apikeys_grant": "'key', 'key_id', 'member', 'member_id', 'tier', 'tier_id'",
    "apikeys_tier": "'tier', 'slug'",
    "apikeys_iprule": "'rules', ''",
}


def row(side):
    return ", ".join(f"{side}.{name}" for name in REMEMBERED)


FORWARD = f"""
CREATE CONSTRAINT TRIGGER momentry_fence AFTER UPDATE ON apikeys_apikey
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (({row("OLD")}) IS DISTINCT FROM ({row("NEW")}))
    EXECUTE FUNCTION momentry_fence_row('key', 'id');
CREATE CONSTRAINT TRIGGER momentry_fence_gone AFTER DELETE ON apikeys_apikey
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION momentry_fence_row('key', 'id');
""" + "".join(
    f"""
CREATE CONSTRAINT TRIGGER momentry_fence AFTER INSERT OR UPDATE OR DELETE ON {table}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION momentry_fence_row({subjects});
"""
    for table, subjects in SUBJECTS.items()
)
BACKWARD = (
    "".join(f"DROP TRIGGER momentry_fence ON {table};" for table in ("apikeys_apikey", *SUBJECTS))
    + "DROP TRIGGER momentry_fence_gone ON apikeys_apikey;"
)


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0008_foreign_end"), ("common", "0002_fence")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
