from django.db import migrations

from consent import holidays, roles


def install(apps, schema_editor):
    holidays.install(apps)
    roles.grant(apps, "consent", roles.CONSENT_PERMISSIONS)


class Migration(migrations.Migration):
    dependencies = [("consent", "0003_words")]

    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
