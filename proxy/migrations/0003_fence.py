"""What gateways remember of upstreams is read again when it changes (common.0002)."""

from django.db import migrations

TABLES = ("proxy_upstream", "proxy_target")
FORWARD = "".join(
    f"""
CREATE CONSTRAINT TRIGGER momentry_fence AFTER INSERT OR UPDATE OR DELETE ON {table}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION momentry_fence_row('upstreams', '');
"""
    for table in TABLES
)
BACKWARD = "".join(f"DROP TRIGGER momentry_fence ON {table};" for table in TABLES)


class Migration(migrations.Migration):
    dependencies = [("proxy", "0002_weight_and_format"), ("common", "0002_fence")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
