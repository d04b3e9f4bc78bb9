"""What processes remember of a member is forgotten when it changes (common.0002)."""

from django.db import migrations

FORWARD = """
CREATE CONSTRAINT TRIGGER momentry_fence AFTER UPDATE ON accounts_user
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.status, OLD.tier, OLD.username) IS DISTINCT FROM
          (NEW.status, NEW.tier, NEW.username))
    EXECUTE FUNCTION momentry_fence_row('member', 'id');
CREATE CONSTRAINT TRIGGER momentry_fence_gone AFTER DELETE ON accounts_user
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION momentry_fence_row('member', 'id');
"""
BACKWARD = """
DROP TRIGGER momentry_fence ON accounts_user;
DROP TRIGGER momentry_fence_gone ON accounts_user;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial"), ("common", "0002_fence")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
