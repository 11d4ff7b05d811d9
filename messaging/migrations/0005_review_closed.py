from django.db import migrations, models

from messaging import shipped


def install(apps, schema_editor):
    shipped.install_templates(apps)


class Migration(migrations.Migration):
    dependencies = [("messaging", "0004_languages_and_roles")]

    operations = [
        migrations.AlterField(
            model_name="notice",
            name="kind",
            field=models.CharField(
                choices=[
                    ("notice_asked", "Notice: asked"),
                    ("notice_wrote_and_asked", "Notice: contact wrote, was asked"),
                    ("notice_opted_in", "Notice: opted in"),
                    ("notice_opted_out", "Notice: opted out"),
                    ("notice_expired", "Notice: request expired"),
                    ("notice_request_failed", "Notice: request failed"),
                    ("notice_under_review", "Notice: under review"),
                    ("notice_review_closed", "Notice: review closed"),
                    ("notice_network_answered", "Notice: the network answered"),
                ],
                max_length=40,
            ),
        ),
        migrations.AlterField(
            model_name="template",
            name="kind",
            field=models.CharField(
                choices=[
                    ("request_ours", "Opt-in request, we texted first"),
                    ("request_theirs", "Opt-in request, the contact texted first"),
                    ("confirm_sign_up", "Confirm sign-up"),
                    ("opt_in_confirmation", "Opt-in confirmation"),
                    ("opt_out_confirmation", "Opt-out confirmation, with consent"),
                    ("opt_out_confirmation_disclaimer", "Opt-out confirmation, disclaimer only"),
                    ("disclaimer_ours", "Disclaimer, we texted first"),
                    ("disclaimer_theirs", "Disclaimer, the contact texted first"),
                    ("help_reply", "Help reply"),
                    ("way_back", "Way back"),
                    ("footer", "Footer"),
                    ("notice_asked", "Notice: asked"),
                    ("notice_wrote_and_asked", "Notice: contact wrote, was asked"),
                    ("notice_opted_in", "Notice: opted in"),
                    ("notice_opted_out", "Notice: opted out"),
                    ("notice_expired", "Notice: request expired"),
                    ("notice_request_failed", "Notice: request failed"),
                    ("notice_under_review", "Notice: under review"),
                    ("notice_review_closed", "Notice: review closed"),
                    ("notice_network_answered", "Notice: the network answered"),
                ],
                max_length=40,
            ),
        ),
        migrations.RunPython(install, migrations.RunPython.noop),
    ]
