from django.db import migrations

from consent import roles
from messaging import shipped


def install(apps, schema_editor):
    # Until now a responder without lines spoke on every line; from now on it says so itself.
    Responder = apps.get_model("messaging", "KeywordResponder")
    Responder.objects.filter(lines__isnull=False).update(every_line=False)
    shipped.install_languages(apps)
    shipped.install_footer_countries(apps)
    roles.grant(apps, "messaging", shipped.PERMISSIONS)


class Migration(migrations.Migration):
    dependencies = [("messaging", "0003_words"), ("consent", "0004_holidays_and_roles")]

    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
