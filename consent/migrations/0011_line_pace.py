import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("consent", "0010_double_opt_in_switches"),
    ]

    operations = [
        migrations.AddField(
            model_name="line",
            name="texts_per_day",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="At most so many leave from midnight to midnight. Empty: no limit.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(10000000),
                ],
                verbose_name="texts a day",
            ),
        ),
        migrations.AddField(
            model_name="line",
            name="texts_per_second",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="At most so many leave in any second; the others wait here. Empty: no limit.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(1000),
                ],
                verbose_name="texts a second",
            ),
        ),
    ]
