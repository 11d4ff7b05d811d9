from django.db import migrations, models


def count_anew(apps, schema_editor):
    """Opt-outs before the mark were counted without the text before them. The next counts begin at the first entry."""
    for name in ("Figure", "Mark"):
        apps.get_model("reporting", name).objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("reporting", "0003_roles")]

    operations = [
        migrations.AlterField(
            model_name="figure",
            name="what",
            field=models.CharField(
                choices=[
                    ("pairs", "Contacts on record on the line"),
                    ("status", "Contacts in a status"),
                    ("changes", "Changes of status on a day"),
                    ("opt_outs", "Opt-outs on a day, by the rule that read them"),
                    ("left_after", "Texted opt-outs on a day, by the text of ours before them"),
                    ("requests", "Opt-in requests sent on a day, by outcome"),
                    ("refused", "Refused texts written on a day, by reason"),
                    ("texts", "Texts that wait now"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddField(model_name="mark", name="versions", field=models.JSONField(default=dict)),
        migrations.RunPython(count_anew, count_anew),
    ]
