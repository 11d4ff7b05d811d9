from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("consent", "0004_holidays_and_roles"),
        ("messaging", "0006_possible_acceptances"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(fields=["is_open", "-last_activity"], name="conversations_by_activity"),
        ),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(
                condition=models.Q(("unread_since__isnull", False)),
                fields=["is_open", "-last_activity"],
                name="unread_ones_by_activity",
            ),
        ),
    ]
