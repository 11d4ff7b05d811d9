"""The four roles (PRODUCT "The people") as groups with Django permissions.

Migrations call ``grant``; superusers may add or take permissions afterwards, and later migrations only add.
"""

from collections.abc import Mapping, Sequence
from typing import Any

OFFICER, SUPERVISOR, AGENT, INTEGRATOR = "Compliance officer", "Supervisor", "Agent", "Integrator"

_VERBS = ("view", "add", "change", "delete")
CONSENT_PERMISSIONS: Mapping[str, Sequence[str]] = {
    OFFICER: [
        "consent.use_every_line",
        "consent.view_organisation",
        "consent.change_organisation",
        "consent.view_line",
        "consent.add_line",
        "consent.change_line",
        "consent.view_contact",
        "consent.add_contact",
        "consent.change_contact",
        "consent.view_consent",
        "consent.view_optinrequest",
        "consent.view_ledgerentry",
        "consent.view_evidence",
        "consent.view_donotcontact",
        "consent.add_donotcontact",
        "consent.delete_donotcontact",
        "consent.view_tag",
        "consent.add_tag",
        "consent.change_tag",
        "consent.delete_tag",
        "consent.view_holiday",
        "consent.add_holiday",
        "consent.change_holiday",
        "consent.delete_holiday",
        *(
            f"consent.{verb}_{table}"
            for table in ("sendinghours", "contactcap", "impliedconsentperiod")
            for verb in _VERBS
        ),
        "consent.view_listimport",
        "consent.add_listimport",
        "consent.view_scrubresult",
        "consent.view_reassignmentanswer",
        "consent.settle_number",
        "consent.view_user",
        "consent.change_shown_name",
        "consent.lift_opt_out",
        "consent.erase_contact",
        "consent.record_consent",
        "consent.record_revocation",
    ],
    SUPERVISOR: [
        "consent.use_every_line",
        "consent.view_organisation",
        "consent.view_line",
        "consent.view_contact",
        "consent.view_consent",
        "consent.view_optinrequest",
        "consent.view_donotcontact",
        "consent.view_tag",
        "consent.view_holiday",
        "consent.view_sendinghours",
        "consent.view_contactcap",
        "consent.view_impliedconsentperiod",
        "consent.view_listimport",
        "consent.view_scrubresult",
        "consent.record_revocation",
    ],
    AGENT: ["consent.view_contact", "consent.view_consent", "consent.record_consent", "consent.record_revocation"],
    INTEGRATOR: ["consent.record_consent", "consent.record_revocation"],
}


def grant(apps: Any, app_label: str, wanted: Mapping[str, Sequence[str]]) -> None:
    """Make the groups that are missing and give each the permissions ``wanted`` names ("app.codename").

    For migrations: Django creates permissions only after the last one, so those of ``app_label`` are made here first.
    Raises LookupError for a permission that does not exist, so that a typo can't leave a role powerless.
    """
    from django.apps import apps as installed
    from django.contrib.auth.management import create_permissions

    create_permissions(installed.get_app_config(app_label), verbosity=0, apps=installed)
    Group, Permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for role, names in wanted.items():
        group, _ = Group.objects.get_or_create(name=role)
        for name in names:
            label, codename = name.split(".")
            found = Permission.objects.filter(content_type__app_label=label, codename=codename).first()
            if found is None:
                raise LookupError(f"There is no permission {name} to give to {role}.")
            group.permissions.add(found)
