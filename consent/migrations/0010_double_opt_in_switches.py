from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("consent", "0009_numbers_that_change_hands"),
    ]

    operations = [
        migrations.AddField(
            model_name="line",
            name="ivr_double_opt_in",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Who presses the key is opted in once they reply YES to a text. Most people do not answer.",
                verbose_name="confirm sign-ups in the phone menu by text",
            ),
        ),
        migrations.AddField(
            model_name="line",
            name="web_form_double_opt_in",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Who signs up is opted in once they reply YES to a text. Most people do not answer.",
                verbose_name="confirm sign-ups on the web form by text",
            ),
        ),
    ]
