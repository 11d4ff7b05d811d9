from django.db import migrations

from consent import roles
from reporting.roles import PERMISSIONS


def install(apps, schema_editor):
    roles.grant(apps, "reporting", PERMISSIONS)


class Migration(migrations.Migration):
    dependencies = [("reporting", "0002_report_runs"), ("consent", "0006_snapshot_and_funnel")]

    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
