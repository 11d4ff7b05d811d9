import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

from consent import roles
from messaging import shipped


def install(apps, schema_editor):
    shipped.install_templates(apps)
    roles.grant(apps, "messaging", shipped.PERMISSIONS)


class Migration(migrations.Migration):
    dependencies = [
        ("consent", "0010_double_opt_in_switches"),
        ("messaging", "0011_ways_back"),
    ]

    operations = [
        migrations.AlterField(
            model_name="receipt",
            name="kind",
            field=models.CharField(
                choices=[
                    ("inbound", "Text from a contact"),
                    ("status", "Delivery result"),
                    ("web_form", "Sign-up on the web form"),
                    ("voice", "Key in the phone menu"),
                ],
                max_length=8,
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
                    ("web_form", "Web form: what they agree to"),
                    ("phone_menu", "Phone menu: what they agree to"),
                    ("notice_asked", "Notice: asked"),
                    ("notice_wrote_and_asked", "Notice: contact wrote, was asked"),
                    ("notice_opted_in", "Notice: opted in"),
                    ("notice_opted_out", "Notice: opted out"),
                    ("notice_expired", "Notice: request expired"),
                    ("notice_consent_ended", "Notice: consent ended"),
                    ("notice_number_suspended", "Notice: the number may be somebody else's"),
                    ("notice_request_failed", "Notice: request failed"),
                    ("notice_under_review", "Notice: under review"),
                    ("notice_review_closed", "Notice: review closed"),
                    ("notice_network_answered", "Notice: the network answered"),
                ],
                max_length=40,
            ),
        ),
        migrations.CreateModel(
            name="SignUpTally",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=64)),
                ("since", models.DateTimeField()),
                ("times", models.PositiveIntegerField(default=0)),
            ],
            options={
                "indexes": [models.Index(fields=["since"], name="sign_up_tallies_by_age")],
                "constraints": [models.UniqueConstraint(fields=("key", "since"), name="one_tally_per_key_and_window")],
            },
        ),
        migrations.CreateModel(
            name="WebForm",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "slug",
                    models.CharField(
                        help_text="The readable end of the page's address, like harbor-dental.",
                        max_length=60,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[a-z0-9]+(?:-[a-z0-9]+)*\\Z",
                                "Use small letters, digits and single dashes, like harbor-dental.",
                            )
                        ],
                        verbose_name="address",
                    ),
                ),
                (
                    "heading",
                    models.CharField(
                        blank=True,
                        help_text="Above the form. Empty: “Get texts from” and the organisation's name.",
                        max_length=80,
                    ),
                ),
                (
                    "active",
                    models.BooleanField(
                        default=True, help_text="Switched off, the page is not there.", verbose_name="switched on"
                    ),
                ),
                (
                    "countries",
                    models.CharField(
                        blank=True,
                        help_text="Two-letter codes of the countries whose numbers may sign up, like US CA. The first is chosen beforehand. Empty: every country, the line's own chosen beforehand. Fewer countries leave less to those who enter numbers that cost you dearly.",
                        max_length=1000,
                    ),
                ),
                (
                    "framed_by",
                    models.TextField(
                        blank=True,
                        help_text="One a line, like https://www.example.com. Empty: none; a link to the page works anywhere.",
                        max_length=2000,
                        verbose_name="sites that may embed it",
                    ),
                ),
                (
                    "line",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="web_form", to="consent.line"
                    ),
                ),
            ],
            options={
                "ordering": ["slug"],
            },
        ),
        migrations.CreateModel(
            name="PhoneMenu",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "number",
                    models.CharField(
                        blank=True,
                        help_text="With country code. Empty: the line's own. A short code can't be called, so its menu needs one.",
                        max_length=16,
                        verbose_name="the number that is called",
                    ),
                ),
                (
                    "active",
                    models.BooleanField(
                        default=True, help_text="Switched off, callers are told goodbye.", verbose_name="switched on"
                    ),
                ),
                (
                    "line",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="phone_menu", to="consent.line"
                    ),
                ),
            ],
            options={
                "ordering": ["line__name", "pk"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("number", ""), _negated=True),
                        fields=("number",),
                        name="one_phone_menu_per_number",
                        violation_error_message="Another menu answers this number already.",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SignUp",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("channel", models.CharField(choices=[("web_form", "Web form"), ("ivr", "Phone menu")], max_length=8)),
                (
                    "reference",
                    models.CharField(help_text="The provider's id of the call, or ours of the page.", max_length=64),
                ),
                ("words", models.TextField(help_text="All that was shown or read out to them.")),
                ("language", models.CharField(max_length=2)),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "No answer yet"),
                            ("recorded", "Opted in"),
                            ("asked", "Asked to confirm by text"),
                            ("already_in", "Was opted in already"),
                            ("opted_out", "Not counted: opted out"),
                            ("do_not_contact", "Not counted: on the do-not-contact list"),
                            ("too_many", "Not counted: too many for this number"),
                            ("not_now", "Not counted"),
                            ("refused", "Refused"),
                            ("revoked", "Asked to stop all texts"),
                            ("silent", "Chose nothing"),
                        ],
                        default="",
                        max_length=14,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=300)),
                ("created", models.DateTimeField()),
                (
                    "contact",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sign_ups",
                        to="consent.contact",
                    ),
                ),
                ("line", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="consent.line")),
                (
                    "receipt",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sign_up",
                        to="messaging.receipt",
                    ),
                ),
                (
                    "wording",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="messaging.templateversion"),
                ),
            ],
            options={
                "verbose_name": "sign-up",
                "ordering": ["-pk"],
                "constraints": [
                    models.UniqueConstraint(fields=("channel", "reference"), name="a_sign_up_is_kept_once")
                ],
            },
        ),
        # Last, for PostgreSQL alters no table in whose transaction rows wait for their foreign keys to be checked.
        migrations.RunPython(install, migrations.RunPython.noop),
    ]
