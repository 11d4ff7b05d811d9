from django.db import migrations

from consent import roles
from messaging import shipped


def install(apps, schema_editor):
    shipped.install_words(apps)
    roles.grant(apps, "messaging", shipped.PERMISSIONS)


class Migration(migrations.Migration):
    dependencies = [("messaging", "0001_initial"), ("consent", "0002_organisation_and_roles")]

    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
