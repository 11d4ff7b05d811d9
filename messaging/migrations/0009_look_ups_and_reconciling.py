import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("consent", "0006_snapshot_and_funnel"),
        ("messaging", "0008_refused_texts_by_time"),
    ]

    operations = [
        migrations.CreateModel(
            name="Reconciled",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "line",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="reconciled", to="consent.line"
                    ),
                ),
                ("up_to", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="message",
            name="look_up_after",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="message",
            name="look_ups",
            field=models.PositiveSmallIntegerField(
                default=0, help_text="How often the provider was asked what became of it."
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("status", "unknown")), fields=["claimed_at"], name="texts_of_unknown_fate"
            ),
        ),
    ]
