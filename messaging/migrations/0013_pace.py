import datetime
from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import OuterRef, Subquery


def name_the_lines(apps: Any, schema_editor: Any) -> None:
    """Each text gets the line of its conversation."""
    conversation = apps.get_model("messaging", "Conversation").objects.filter(pk=OuterRef("conversation"))
    apps.get_model("messaging", "Message").objects.update(line=Subquery(conversation.values("line")[:1]))


class Migration(migrations.Migration):
    dependencies = [
        ("consent", "0011_line_pace"),
        ("messaging", "0012_sign_ups"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Turnstile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveSmallIntegerField()),
                ("per_second", models.PositiveSmallIntegerField()),
                ("per_day", models.PositiveIntegerField()),
                ("share", models.PositiveIntegerField(help_text="Of the texts of a day. Empty: no limit.", null=True)),
                (
                    "free_at",
                    models.DateTimeField(default=datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.UTC)),
                ),
                ("day", models.DateField(default=datetime.date(2000, 1, 1))),
                ("texts", models.PositiveIntegerField(default=0, help_text="That went through on that day.")),
            ],
            options={
                "ordering": ["line", "number"],
            },
        ),
        migrations.AddField(
            model_name="message",
            name="bulk",
            field=models.BooleanField(default=False, help_text="One of many: those that somebody waits for go first."),
        ),
        migrations.AddField(
            model_name="message",
            name="line",
            field=models.ForeignKey(
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="consent.line",
            ),
        ),
        migrations.RunPython(name_the_lines, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="message",
            name="line",
            field=models.ForeignKey(
                db_index=False,
                editable=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="consent.line",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("status", "queued")), fields=["line", "bulk", "id"], name="texts_queued_on_a_line"
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("status", "deferred"), models.Q(("reason", "line_pace"), _negated=True)),
                fields=["line", "bulk", "not_before", "id"],
                name="texts_deferred_on_a_line",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("reason", "line_pace"), ("status", "deferred")),
                fields=["line", "bulk", "not_before", "id"],
                name="texts_paced_on_a_line",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(
                    ("purpose__in", ["opt_out_confirmation", "help_reply"]), ("status__in", ["queued", "deferred"])
                ),
                fields=["id"],
                name="texts_that_wait_for_nobody",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("send_before__isnull", False), ("status__in", ["queued", "held", "deferred"])),
                fields=["send_before"],
                name="texts_that_may_be_too_late",
            ),
        ),
        migrations.AddField(
            model_name="turnstile",
            name="line",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="turnstiles", to="consent.line"
            ),
        ),
        migrations.AddConstraint(
            model_name="turnstile",
            constraint=models.UniqueConstraint(fields=("line", "number"), name="a_line_numbers_its_turnstiles"),
        ),
    ]
