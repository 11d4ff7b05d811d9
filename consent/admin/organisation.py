from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import URLField
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from consent.admin.mode_switch import CONFIRM, ModeSwitchForm, asks_to_confirm, lines_of
from consent.admin.screens import Screen
from consent.models import Organisation
from consent.vocabulary import Mode


class OrganisationForm(ModeSwitchForm):
    def clean_mode(self) -> str:
        """A line that follows the organisation must be able to: law wants consent before marketing to US numbers."""
        mode: str = self.cleaned_data["mode"]
        stuck = [line.name for line in lines_of(self.instance) if line.law_wants_consent(line.number)]
        if mode == Mode.DISCLAIMER and stuck:
            raise ValidationError(
                "Marketing texts to US numbers need consent before the first one (47 CFR 64.1200). First choose "
                f"“Opt-in with consent” on these lines, which follow this default: {', '.join(stuck)}."
            )
        return mode


@admin.register(Organisation)
class OrganisationAdmin(Screen):
    """Exactly one row: its list is its form, and it is neither added nor deleted."""

    form = OrganisationForm
    fieldsets = [
        ("Who we are", {"fields": ["name", "support_contact", "frequency", "terms_address", "privacy_address"]}),
        (
            "How we get consent",
            {"fields": ["mode"], "description": "The default for every line that has no mode of its own."},
        ),
        (
            "How far a STOP reaches",
            {"fields": ["revocation_scope", "next_revocation_scope", "next_revocation_scope_on"]},
        ),
        (
            "Limits of opt-in requests",
            {
                "fields": ["request_limit", "request_pause", "request_expires_after"],
                "description": "A line can have limits of its own.",
            },
        ),
        ("What agents see", {"fields": ["mask_numbers"]}),
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, URLField):
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Organisation | None = None) -> list[Any]:
        fieldsets = list(super().get_fieldsets(request, obj))
        return [CONFIRM, *fieldsets] if asks_to_confirm(request, obj) else fieldsets

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(reverse("admin:consent_organisation_change", args=[1]))

    def save_model(self, request: HttpRequest, obj: Organisation, form: ModelForm, change: bool) -> None:
        self.save_changes(obj, form)
