from django.db import migrations

from consent import roles


def install(apps, schema_editor):
    apps.get_model("consent", "Organisation").objects.get_or_create(pk=1)
    roles.grant(apps, "consent", roles.CONSENT_PERMISSIONS)


class Migration(migrations.Migration):
    dependencies = [
        ("consent", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
