"""The pages of organisation, lines, contacts and the do-not-contact list: what an officer can set, and what not."""

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from consent import ledger
from consent.ledger import Authority, Proof
from consent.models import Consent, Contact, DoNotContact, Evidence, LedgerEntry, Line, Organisation, User
from consent.verification import verify
from consent.vocabulary import Category, Mode, Status
from tests.make import JANE, OMAR, make_contact, make_line, make_officer, make_supervisor

pytestmark = pytest.mark.django_db
ORGANISATION = "/admin/consent/organisation/1/change/"


@pytest.fixture
def olive(client: Client) -> User:
    user = make_officer("olive")
    client.force_login(user)
    return user


def said(answer: HttpResponse) -> str:
    return " ".join(map(str, get_messages(answer.wsgi_request)))  # type: ignore[attr-defined]


def errors(answer: Any) -> dict[str, list[str]]:
    return answer.context_data["adminform"].form.errors


def line_fields(line: Line, **changes: Any) -> dict[str, Any]:
    names = ["name", "category", "mode", "required_level", "registration", "language", "footer_frequency"]
    fields = {name: getattr(line, name) for name in names}
    fields |= {"active": "on"} if line.active else {}
    fields |= {"opt_outs_answered_by_provider": "on"} if line.opt_outs_answered_by_provider else {}
    return fields | {"request_limit": "", "request_pause": "", "request_expires_after": ""} | changes


def organisation_fields(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "name": "Northwind",
        "support_contact": "help@example.com",
        "terms_address": "example.com/terms",
        "privacy_address": "",
        "frequency": "varies",
        "mode": Organisation.objects.current().mode,
        "revocation_scope": "category",
        "next_revocation_scope": "all",
        "next_revocation_scope_on": "2027-01-31",
        "request_limit": 2,
        "request_pause": "1 00:00:00",
        "request_expires_after": "7 00:00:00",
    }
    return fields | changes


def page(row: Any, verb: str = "change") -> str:
    return reverse(f"admin:consent_{row._meta.model_name}_{verb}", args=[row.pk])


def tell(line: Line, *numbers: str) -> None:
    """These contacts were told how to stop on the line, and no more."""
    for number in numbers:
        contact = make_contact(number)
        ledger.told(Contact.objects.lock(contact.number), line, Proof("keyword", {}), at=timezone.now())


# ---- organisation ---------------------------------------------------------------------------------------------------


def test_the_list_of_organisations_is_the_one_form(olive: User, client: Client) -> None:
    assert client.get("/admin/consent/organisation/")["Location"] == ORGANISATION
    assert client.post("/admin/consent/organisation/add/", organisation_fields()).status_code == 403
    assert client.post(ORGANISATION, organisation_fields(mask_numbers="on")).status_code == 302
    policy = Organisation.objects.current()
    assert (policy.name, policy.mask_numbers, policy.terms_address) == ("Northwind", True, "https://example.com/terms")


def test_what_the_models_refuse_the_form_explains(olive: User, client: Client) -> None:
    assert "Clear both for none" in str(
        errors(client.post(ORGANISATION, organisation_fields(next_revocation_scope_on="")))
    )
    line = make_line("+18005550199", opt_outs_answered_by_provider=True, category=Category.MARKETING)
    assert "opt_outs_answered_by_provider" in errors(
        client.post(page(line), line_fields(line, opt_outs_answered_by_provider=""))
    )
    assert "Marketing texts to US numbers" in str(
        errors(client.post(page(line), line_fields(line, mode=Mode.DISCLAIMER)))
    )


def test_the_default_mode_can_t_leave_a_marketing_line_without_consent(olive: User, client: Client) -> None:
    line = make_line(name="Offers", category=Category.MARKETING, mode="")
    answer = client.post(ORGANISATION, organisation_fields(mode=Mode.DISCLAIMER))
    assert "Offers" in str(errors(answer)["mode"])
    Line.objects.filter(pk=line.pk).update(mode=Mode.CONSENT)
    assert client.post(ORGANISATION, organisation_fields(mode=Mode.DISCLAIMER)).status_code == 302


def test_switching_the_default_to_consent_is_confirmed_with_the_number_of_people(olive: User, client: Client) -> None:
    Organisation.objects.update(mode=Mode.DISCLAIMER)
    follows, own = make_line(name="Service", mode=""), make_line("+12065550101", name="Own", mode=Mode.DISCLAIMER)
    second = make_line("+12065550102", name="Second", mode="")
    tell(follows, JANE, OMAR)
    tell(second, JANE)
    tell(own, "+12065550149")
    answer = client.post(ORGANISATION, organisation_fields(mode=Mode.CONSENT))
    words = str(errors(answer)["switch_confirmed"])
    assert "2 contacts were only told" in words
    assert "Service" in words and "Second" in words and "Own" not in words
    assert 'name="switch_confirmed"' in answer.content.decode()
    assert Organisation.objects.current().mode == Mode.DISCLAIMER
    client.post(ORGANISATION, organisation_fields(mode=Mode.CONSENT, switch_confirmed="on"))
    assert Organisation.objects.current().mode == Mode.CONSENT


# ---- lines ----------------------------------------------------------------------------------------------------------


def test_a_new_line_is_closed_until_its_opt_outs_are_written(olive: User, client: Client) -> None:
    fields = line_fields(Line(name="Orders", category="informational"), number=" +1 (206) 555-0177 ")
    answer = client.post("/admin/consent/line/add/", fields)
    line = Line.objects.get(number="+12065550177")
    assert (line.kind, line.opened_at) == ("long_code", None)
    assert "opens by itself" in said(answer)
    assert "Not yet: the opt-outs" in client.get(page(line)).content.decode()


def test_changing_the_category_closes_a_line_and_says_so(olive: User, client: Client) -> None:
    line = make_line(category=Category.TRANSACTIONAL)
    assert "Changing the category closes the line" in client.get(page(line)).content.decode()
    answer = client.post(page(line), line_fields(line, category=Category.INFORMATIONAL))
    assert "closed while the opt-outs that reach it are written" in said(answer)
    line.refresh_from_db()
    assert line.opened_at is None


def test_number_kind_and_readiness_of_a_line_can_t_be_edited(olive: User, client: Client) -> None:
    line = make_line(name="Sales")
    client.post(page(line), line_fields(line, name="Sales two", number="+12065550188", kind="short_code", opened_at=""))
    fresh = Line.objects.get(pk=line.pk)
    assert (fresh.name, fresh.number, fresh.kind) == ("Sales two", line.number, line.kind)
    assert fresh.opened_at == line.opened_at
    assert client.post(page(line, "delete"), {"post": "yes"}).status_code == 403


def test_saving_a_line_keeps_what_happened_to_it_meanwhile(olive: User, client: Client) -> None:
    line = make_line(opened=False)
    fields = line_fields(line, name="Renamed")
    Line.objects.filter(pk=line.pk).update(opened_at=timezone.now())
    client.post(page(line), fields)
    line.refresh_from_db()
    assert line.name == "Renamed"
    assert line.opened_at is not None


def test_switching_a_line_to_consent_is_confirmed_with_the_number_of_people(olive: User, client: Client) -> None:
    line = make_line(name="Service", mode=Mode.DISCLAIMER)
    tell(line, JANE, OMAR, "+12065550149")
    ledger.opt_in(
        Contact.objects.lock(JANE),
        line,
        Proof("keyword", {}),
        occurred_at=timezone.now(),
        level="express",
        authority=Authority.CONTACT,
    )
    assert 'name="switch_confirmed"' not in client.get(page(line)).content.decode()
    for mode in (Mode.CONSENT, ""):  # the organisation's default is consent
        answer = client.post(page(line), line_fields(line, mode=mode))
        assert "2 contacts were only told" in str(errors(answer)["switch_confirmed"])
        assert 'name="switch_confirmed"' in answer.content.decode()
    line.refresh_from_db()
    assert line.mode == Mode.DISCLAIMER
    assert client.post(page(line), line_fields(line, mode=Mode.CONSENT, switch_confirmed="on")).status_code == 302
    line.refresh_from_db()
    assert line.mode == Mode.CONSENT
    # The other way, and any other change, needs no confirmation.
    assert client.post(page(line), line_fields(line, mode=Mode.DISCLAIMER)).status_code == 302


# ---- contacts -------------------------------------------------------------------------------------------------------

NO_ROWS = {
    f"{prefix}-{count}": 0
    for prefix in ("consents", "requests", "entries", "conversations")
    for count in ("TOTAL_FORMS", "INITIAL_FORMS")
}


def test_a_contact_is_added_by_number_and_keeps_it(olive: User, client: Client) -> None:
    add = "/admin/consent/contact/add/"
    assert client.post(add, {"number": "+1 (206) 555 0142", "first_name": "Jane"}).status_code == 302
    jane = Contact.objects.get(number=JANE)
    assert errors(client.post(add, {"number": JANE})).keys() == {"number"}
    assert errors(client.post(add, {"number": "0142"})).keys() == {"number"}
    client.post(page(jane), {"first_name": "Janet", "last_name": "Doe", "number": OMAR, **NO_ROWS})
    jane.refresh_from_db()
    assert (jane.name, jane.number) == ("Janet Doe", JANE)
    assert client.post(page(jane, "delete"), {"post": "yes"}).status_code == 403


def test_editing_a_contact_leaves_the_ledger_s_end_alone(
    olive: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between loading the form and saving it, the worker writes an entry: saving the whole row would undo its end."""
    jane, line = make_contact(JANE), make_line()
    from consent.admin.contact import ContactAdmin

    save = ContactAdmin.save_model

    def slow_save(self: Any, request: Any, obj: Any, form: Any, change: bool) -> None:
        tell(line, JANE)
        save(self, request, obj, form, change)

    monkeypatch.setattr(ContactAdmin, "save_model", slow_save)
    assert client.post(page(jane), {"first_name": "Jane", **NO_ROWS}).status_code == 302
    jane.refresh_from_db()
    assert (jane.first_name, jane.ledger_seq) == ("Jane", 1)
    assert not list(verify())


# ---- do not contact -------------------------------------------------------------------------------------------------


def test_the_list_is_written_through_the_ledger(olive: User, client: Client) -> None:
    answer = client.post("/admin/consent/donotcontact/add/", {"number": "+1 206 555 0142", "reason": "Their lawyer"})
    assert answer.status_code == 302
    listed = DoNotContact.objects.get()
    assert (listed.number, listed.reason, listed.added_by) == (JANE, "Their lawyer", olive)
    entry = LedgerEntry.objects.get()
    assert (entry.kind, entry.actor, entry.channel) == ("do_not_contact", olive, "agent")
    assert Evidence.objects.get(digest=entry.evidence_digest).data == {"reason": "Their lawyer", "number": JANE}
    assert "✕ Do not contact" in client.get("/admin/consent/contact/").content.decode()
    again = client.post("/admin/consent/donotcontact/add/", {"number": JANE, "reason": "Again"})
    assert errors(again).keys() == {"number"}
    assert client.post(page(listed), {"reason": "Changed"}).status_code == 403

    assert client.get(page(listed, "delete")).status_code == 200
    assert client.post(page(listed, "delete"), {"post": "yes"}).status_code == 200  # no reason given
    assert DoNotContact.objects.exists()
    client.post(page(listed, "delete"), {"reason": "They asked to be texted"})
    assert not DoNotContact.objects.exists()
    entry = LedgerEntry.objects.latest("pk")
    assert entry.kind == "do_not_contact_lifted"
    assert Evidence.objects.get(digest=entry.evidence_digest).data["reason"] == "They asked to be texted"
    assert not list(verify())


def test_nothing_bypasses_the_ledger(olive: User, client: Client) -> None:
    client.post("/admin/consent/donotcontact/add/", {"number": JANE, "reason": "Their lawyer"})
    listed = DoNotContact.objects.get()
    client.post(
        "/admin/consent/donotcontact/",
        {"action": "delete_selected", "_selected_action": [listed.pk], "post": "yes"},
    )
    assert DoNotContact.objects.exists()
    client.force_login(make_supervisor())
    assert client.post(page(listed, "delete"), {"reason": "Because"}).status_code == 403
    assert DoNotContact.objects.exists()


def test_an_erased_number_stays_on_the_list(olive: User, client: Client) -> None:
    erased = DoNotContact.objects.create(number=None, digest="0" * 64, reason="Erased")
    answer = client.post(page(erased, "delete"), {"reason": "Because"})
    assert "stays on the list" in said(answer)
    assert DoNotContact.objects.exists()


def test_the_list_is_searched_by_number(olive: User, client: Client) -> None:
    for number in (JANE, OMAR):
        client.post("/admin/consent/donotcontact/add/", {"number": number, "reason": "Asked"})
    found = client.get("/admin/consent/donotcontact/", {"q": "0143"}).context_data["cl"]  # type: ignore[attr-defined]
    assert [row.number for row in found.result_list] == [OMAR]


def test_told_contacts_are_still_not_defined(olive: User, client: Client) -> None:
    """What the confirmation promises: switching changes nobody's status."""
    line = make_line(mode=Mode.DISCLAIMER)
    tell(line, JANE)
    client.post(page(line), line_fields(line, mode=Mode.CONSENT, switch_confirmed="on"))
    assert Consent.objects.get().status == Status.NOT_DEFINED
