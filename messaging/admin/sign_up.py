"""Where people sign up outside of texts, and who tried."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from consent.admin.numbers import ContactScreen
from consent.admin.screens import ReadOnlyScreen, Screen, plain
from consent.admin.unfold import UnfoldAdminTextareaWidget, badge, preformatted
from consent.models import Organisation
from messaging import lint, provider, samples
from messaging.models import PhoneMenu, SignUp, Template, WebForm
from messaging.sign_ups import PageEntry
from messaging.wordings import Kind

_FRAME = '<iframe src="{}" title="Sign up for texts" style="width: 100%; height: 48rem; border: 0"></iframe>'


class _SignUpPlace(Screen):
    """A line's form or menu. It is switched off, never deleted: sign-ups came from it."""

    kind: Kind
    list_select_related = ["line"]
    list_filter = ["active"]
    search_fields = ["line__name", "line__number"]
    search_help_text = "Name or number of the line."

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            self.save_changes(obj, form)
        else:
            obj.save()

    @admin.display(description="state")
    def state(self, row: WebForm | PhoneMenu) -> SafeString:
        if not row.active:
            return badge("Switched off")
        return badge("Open", "success") if row.line.active else badge("The line is switched off", "warning")

    @admin.display(description="double opt-in")
    def double(self, row: WebForm | PhoneMenu) -> str:
        line = row.line
        on = line.web_form_double_opt_in if self.kind is Kind.WEB_FORM else line.ivr_double_opt_in
        return "On: they confirm by text" if on else "Off: a sign-up counts at once"

    @admin.display(description="what they agree to")
    def wording(self, row: WebForm | PhoneMenu) -> SafeString:
        """The words in use, the consent they give, and what the check has to say about them."""
        company = Organisation.objects.current()
        shown = []
        for template in spoken(self.kind, row):
            version = template.current
            assert version is not None  # those without are not spoken
            faults = samples.faults(version.body, self.kind, row.line, company)
            faults += lint.leading_nowhere(version.body, samples.likely(self.kind, row.line, company))
            shown.append(
                format_html(
                    '<p><a class="font-semibold underline" href="{}">{}, {}, version {}</a> gives {} consent. {}</p>{}',
                    reverse("admin:messaging_template_change", args=[template.pk]),
                    template.get_language_display(),
                    template.line.name if template.line else "for every line",
                    version.number,
                    version.get_level_display().lower(),
                    "No warnings." if not faults else "",
                    format_html(
                        '<ul class="list-disc ml-5 mb-3">{}</ul>',
                        format_html_join("", "<li>{} <cite>{}</cite></li>", [(f.message, f.source) for f in faults]),
                    )
                    if faults
                    else "",
                )
            )
        return format_html_join("", "{}", ((each,) for each in shown))


def spoken(kind: Kind, row: WebForm | PhoneMenu) -> list[Template]:
    """The wordings of every language in which people may meet this form or menu, the line's own language first."""
    found: dict[int, Template] = {}
    worded = Template.objects.filter(kind=kind, in_use=True).values_list("language", flat=True)
    for language in dict.fromkeys([row.line.language, *sorted(set(worded) - {"en"})]):
        template = Template.objects.for_line(kind, row.line, [language, row.line.language])
        found.setdefault(template.pk, template)
    return list(found.values())


class WebFormForm(forms.ModelForm):
    class Meta:
        widgets = {"framed_by": UnfoldAdminTextareaWidget(attrs={"rows": 3})}


@admin.register(WebForm)
class WebFormAdmin(_SignUpPlace):
    kind = Kind.WEB_FORM
    form = WebFormForm
    list_display = ["line", "slug", "state", "double"]
    readonly_fields = ["page", "embed", "double", "wording"]

    def get_fieldsets(self, request: HttpRequest, obj: WebForm | None = None) -> list[Any]:
        fieldsets: list[Any] = [
            (None, {"fields": ["line", "slug", "heading", "active"]}),
            ("Whose numbers", {"fields": ["countries"]}),
            ("In other sites", {"fields": ["framed_by", *(["embed"] if obj else [])]}),
        ]
        if obj:
            fieldsets.insert(0, ("The page", {"fields": ["page", "double", "wording"]}))
        return fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: WebForm | None = None) -> list[str]:
        return [*self.readonly_fields, *(["line"] if obj else [])]

    @admin.display(description="open it")
    def page(self, form: WebForm) -> SafeString:
        address = settings.PUBLIC_URL + form.get_absolute_url()
        return format_html('<a class="font-semibold underline" href="{}" target="_blank">{}</a>', address, address)

    @admin.display(description="to embed it")
    def embed(self, form: WebForm) -> SafeString | str:
        if not form.framed_by:
            return "Name the sites above first, or browsers show nothing there."
        return preformatted(_FRAME.format(settings.PUBLIC_URL + form.get_absolute_url()))


@admin.register(PhoneMenu)
class PhoneMenuAdmin(_SignUpPlace):
    kind = Kind.PHONE_MENU
    list_display = ["line", "called", "state", "double"]
    readonly_fields = ["webhook", "double", "wording"]

    def get_fieldsets(self, request: HttpRequest, obj: PhoneMenu | None = None) -> list[Any]:
        fieldsets: list[Any] = [(None, {"fields": ["line", "number", "active"]})]
        if obj:
            fieldsets.append(("What callers meet", {"fields": ["webhook", "double", "wording"]}))
        return fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: PhoneMenu | None = None) -> list[str]:
        return [*self.readonly_fields, *(["line"] if obj else [])]

    @admin.display(description="number that is called", ordering="number")
    def called(self, menu: PhoneMenu) -> str:
        return menu.number or menu.line.number

    @admin.display(description="at Twilio")
    def webhook(self, menu: PhoneMenu) -> str:
        return f"“A call comes in” → Webhook, HTTP POST, {settings.PUBLIC_URL}/twilio/voice/#rc=5&rp=all"


@admin.register(SignUp)
class SignUpAdmin(ReadOnlyScreen, ContactScreen):
    """Every try, also those that did not count: the people who tried were all answered alike."""

    contact = "contact"
    list_display = ["created", "shown_contact", "line", "channel", "shown_outcome", "reason"]
    list_filter = ["outcome", "channel", "line", "created"]
    list_select_related = ["contact", "line"]
    ordering = ["-pk"]
    fields = [
        "created",
        "shown_contact",
        plain("line"),
        "channel",
        "shown_outcome",
        "reason",
        plain("wording"),
        "as_shown",
        "circumstances",
    ]
    readonly_fields = fields

    @admin.display(description="contact", ordering="contact")
    def shown_contact(self, sign_up: SignUp) -> str:
        return str(sign_up.contact) if sign_up.contact else "Not known: nothing was chosen"

    @admin.display(description="what came of it", ordering="outcome")
    def shown_outcome(self, sign_up: SignUp) -> SafeString:
        return badge(SignUp.Outcome(sign_up.outcome).label, _TONES.get(SignUp.Outcome(sign_up.outcome), ""))

    @admin.display(description="what they saw or heard")
    def as_shown(self, sign_up: SignUp) -> SafeString:
        return preformatted(sign_up.words)

    @admin.display(description="circumstances")
    def circumstances(self, sign_up: SignUp) -> SafeString | str:
        if sign_up.receipt is None:
            return f"Call {sign_up.reference}"
        raw = bytes(sign_up.receipt.raw)
        if sign_up.channel == "ivr":
            call = provider.parse_call(provider.form(raw))
            return preformatted(f"Call: {call.provider_id}\nKey: {call.digits or 'none'}\nCalled: {call.line}")
        return preformatted("\n".join(f"{name}: {value}" for name, value in PageEntry.from_raw(raw).circumstances()))


_TONES = {
    SignUp.Outcome.RECORDED: "success",
    SignUp.Outcome.ASKED: "info",
    SignUp.Outcome.ALREADY_IN: "success",
    SignUp.Outcome.OPTED_OUT: "warning",
    SignUp.Outcome.DO_NOT_CONTACT: "warning",
    SignUp.Outcome.TOO_MANY: "warning",
    SignUp.Outcome.NOT_NOW: "warning",
    SignUp.Outcome.REVOKED: "danger",
}
