"""Users, groups and API tokens. Only superusers manage them; an officer may set the name that contacts see."""

from operator import attrgetter
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.models import ADDITION, DELETION, LogEntry
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from rest_framework.authtoken.admin import TokenAdmin as RestTokenAdmin
from rest_framework.authtoken.models import TokenProxy

from consent.admin.numbers import signed_in
from consent.admin.screens import Screen, SuperusersOnly
from consent.admin.unfold import (
    AdminPasswordChangeForm,
    UnfoldAdminCheckboxSelectMultipleWidget,
    UserChangeForm,
    UserCreationForm,
)
from consent.models import User

_SHOWN = ["username", "first_name", "last_name", "is_active", "roles", "shown_lines", "last_login"]


@admin.register(User)
class UserAdmin(DjangoUserAdmin, Screen):  # type: ignore[misc]  # Screen's wider types
    """Nobody is deleted, but switched off: texts and ledger entries keep their authors."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "first_name", "last_name", "shown_name", "roles", "is_active"]
    list_filter = ["groups", "is_active", "is_superuser", "lines"]
    filter_horizontal = []
    autocomplete_fields = ["groups", "lines"]
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        ("Person", {"fields": ["first_name", "last_name", "email", "shown_name"]}),
        ("Works as", {"fields": ["groups", "lines", "is_active"]}),
        (
            "Special rights",
            {
                "fields": ["is_staff", "is_superuser"],
                "description": "People need “staff status” for these pages; API users don't. What they may do there "
                "comes from their groups.",
            },
        ),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser or request.user.has_perm("consent.change_shown_name")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser or request.user.has_perm("consent.view_user")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        if request.user.is_superuser:
            return super().get_fieldsets(request, obj)
        return [(None, {"fields": ["shown_name"]}), ("Person", {"fields": _SHOWN})]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        return ["last_login", "date_joined"] if request.user.is_superuser else _SHOWN

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if not request.user.is_superuser:
            kwargs["form"] = forms.ModelForm  # without the password of the form above
        return super().get_form(request, obj, change=change, **kwargs)

    def save_model(self, request: HttpRequest, obj: User, form: forms.ModelForm, change: bool) -> None:
        if request.user.is_superuser:
            super().save_model(request, obj, form, change)
        else:
            self.save_changes(obj, form)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        # Django asks only for the right to change users, and setting a shown name counts as that here.
        if not request.user.is_superuser:
            raise PermissionDenied
        return super().user_change_password(request, id, form_url)

    @admin.display(description="works as")
    def roles(self, user: User) -> str:
        names = [group.name for group in user.groups.all()]
        return ", ".join(["Superuser", *names] if user.is_superuser else names)

    @admin.display(description="lines")
    def shown_lines(self, user: User) -> str:
        return ", ".join(line.name for line in user.lines.all()) or "None of their own"


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(SuperusersOnly, DjangoGroupAdmin, Screen):  # type: ignore[misc]
    """Roles. Migrations add what a role lacks and take nothing away."""

    filter_horizontal = []

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest | None = None, **kwargs: Any) -> Any:
        field = super().formfield_for_manytomany(
            db_field, request, **{**kwargs, "widget": UnfoldAdminCheckboxSelectMultipleWidget}
        )
        assert field is not None
        field.label_from_instance = attrgetter("name")  # type: ignore[assignment]
        return field


admin.site.unregister(TokenProxy)


@admin.register(TokenProxy)
class TokenAdmin(SuperusersOnly, RestTokenAdmin, Screen):
    """API tokens. The key is shown once, when it is made; lists and logs show how it begins."""

    list_display = ["user", "begins_with", "created"]
    list_filter = ["created"]
    list_select_related = ["user"]
    autocomplete_fields = ["user"]
    fields = ["user", "begins_with", "created"]
    readonly_fields = ["begins_with", "created"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["user", "begins_with", "created"] if obj else ["user"]

    @admin.display(description="key begins with")
    def begins_with(self, token: TokenProxy) -> str:
        return f"{token.key[:6]}…"

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        return self._log(request, obj, ADDITION)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        return [self._log(request, token, DELETION) for token in queryset]

    def _log(self, request: HttpRequest, token: TokenProxy, flag: int) -> LogEntry:
        return LogEntry.objects.create(
            user=signed_in(request),
            content_type=ContentType.objects.get_for_model(TokenProxy, for_concrete_model=False),
            object_id=str(token.pk),
            object_repr=f"Token of {token.user}",
            action_flag=flag,
            change_message="",
        )
