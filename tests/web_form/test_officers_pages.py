"""What officers set about web forms and phone menus, and what they see of who tried."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from consent.models import Contact, Evidence, Line, Organisation, User
from messaging.lint import lacks_for_written
from messaging.models import PhoneMenu, SignUp, Template, WebForm
from messaging.wordings import DEFAULTS, Kind
from tests.make import JANE, make_agent, make_line, make_officer, make_supervisor
from tests.phone_menu.test_calls import Call, make_menu
from tests.web_form.visitor import Visitor, make_form
from tests.world import Phone, work

pytestmark = pytest.mark.django_db

ADD = "/admin/messaging/webform/add/"
WRITTEN = (
    "You agree to get automated marketing texts from {company_name} at the number you give. Agreeing is not a "
    "condition of buying anything."
)


@pytest.fixture
def olive(client: Client) -> User:
    user = make_officer("olive")
    client.force_login(user)
    return user


def errors(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200
    return answer.context_data["adminform"].form.errors


def fields(line: Line, **changes: str) -> dict[str, Any]:
    return {
        "line": line.pk,
        "slug": "harbor",
        "heading": "",
        "countries": "",
        "framed_by": "",
        "active": "on",
        **changes,
    }


# ---- the form's page ------------------------------------------------------------------------------------------------


def test_an_officer_opens_a_form(olive: User, client: Client) -> None:
    given = fields(make_line(), slug="harbor", countries="us, ca", framed_by=" HTTPS://Shop.example/ ")
    answer = client.post(ADD, given)
    assert answer.status_code == 302
    form = WebForm.objects.get()
    assert (form.slug, form.countries, form.framed_by) == ("harbor", "US CA", "https://shop.example")
    shown = client.get(reverse("admin:messaging_webform_change", args=[form.pk])).content.decode()
    assert "/sign-up/harbor/" in shown and "&lt;iframe src=" in shown and "gives express consent" in shown
    assert "no address of its terms yet" in shown, "what the page would say is looked through"
    Organisation.objects.update(terms_address="https://x.example/t", privacy_address="https://x.example/p")
    shown = client.get(reverse("admin:messaging_webform_change", args=[form.pk])).content.decode()
    assert "No warnings." in shown
    assert Visitor().opens()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slug", "a b"),
        ("slug", "Harbor"),
        ("slug", "-a"),
        ("slug", "a/../b"),
        ("slug", "é"),
        ("countries", "US XX"),
        ("countries", "United States"),
        ("framed_by", "*"),
        ("framed_by", "http://shop.example"),
        ("framed_by", "https://shop.example; script-src *"),
        ("framed_by", "https://shop.example/page"),
        ("framed_by", "https://shop.example\r\nX-Evil: 1"),
        ("framed_by", "'unsafe-inline'"),
    ],
)
def test_what_can_not_be_is_said_with_its_field(olive: User, client: Client, field: str, value: str) -> None:
    assert list(errors(client.post(ADD, fields(make_line(), **{field: value})))) == [field]
    assert not WebForm.objects.exists()


def test_one_form_a_line_and_one_address_a_form(olive: User, client: Client) -> None:
    line = make_line()
    make_form(line)
    assert "line" in errors(client.post(ADD, fields(line, slug="other")))
    assert "slug" in errors(client.post(ADD, fields(make_line("+12065550101"))))


# ---- which consent a wording gives ----------------------------------------------------------------------------------


def save(client: Client, template: Template, body: str, **more: str) -> Any:
    assert template.current
    given = {"body": body, "level": "written", "in_use": "on", "seen": template.current.number, **more}
    return client.post(reverse("admin:messaging_template_change", args=[template.pk]), given)


@pytest.mark.parametrize("kind", [Kind.WEB_FORM, Kind.PHONE_MENU])
def test_written_consent_needs_what_the_law_wants(olive: User, client: Client, kind: Kind) -> None:
    template = Template.objects.get(kind=kind, line=None)
    body = f"{WRITTEN} Press 1."
    refused = errors(save(client, template, body.replace("marketing ", "")))
    assert list(refused) == ["level"]
    assert "64.1200(f)(9)" in refused["level"][0] and "advertise" in refused["level"][0]
    assert save(client, template, body).status_code == 302
    template.refresh_from_db()
    assert template.current and template.current.level == "written"


def test_an_officer_may_declare_it(olive: User, client: Client) -> None:
    template = Template.objects.get(kind=Kind.WEB_FORM, line=None)
    assert save(client, template, "Our lawyers wrote this.", declared="on").status_code == 302
    template.refresh_from_db()
    assert template.current and (template.current.level, template.current.author) == ("written", olive)


def test_express_consent_needs_no_declaring(olive: User, client: Client) -> None:
    template = Template.objects.get(kind=Kind.WEB_FORM, line=None)
    assert save(client, template, "You agree.", level="express").status_code == 302


@pytest.mark.parametrize(
    ("left_out", "rule"),
    [
        ("automated ", "by_machine"),
        ("marketing ", "advertising"),
        (" from {company_name}", "company"),
        ("You agree to", "agree"),
        (" Agreeing is not a condition of buying anything.", "no_condition"),
    ],
)
def test_each_element_of_written_consent(left_out: str, rule: str) -> None:
    assert lacks_for_written(WRITTEN) == []
    assert rule in {each.rule for each in lacks_for_written(WRITTEN.replace(left_out, ""))}


@pytest.mark.parametrize(
    "body",
    [
        "Usted acepta recibir mensajes automáticos de publicidad de {company_name}. Aceptar no es condición de compra.",
        "Vous acceptez de recevoir des SMS automatisés avec des offres de {company_name}. "
        "Votre accord n'est pas une condition d'achat.",
        "Você autoriza {company_name} a enviar ofertas de forma automática. Concordar não é condição de compra.",
    ],
)
def test_written_consent_in_other_languages(body: str) -> None:
    assert lacks_for_written(body) == []


def test_what_is_shipped_gives_express_consent() -> None:
    for kind in (Kind.WEB_FORM, Kind.PHONE_MENU):
        assert Template.objects.get(kind=kind).current.level == "express"
        assert lacks_for_written(DEFAULTS[kind])


# ---- who tried ------------------------------------------------------------------------------------------------------


def test_officers_see_who_tried_and_what_they_saw(jane: Phone, olive: User, client: Client) -> None:
    line = make_line(name="Orders")
    make_form(line)
    make_menu(line)
    jane.texts(line, "STOP")
    Visitor(**{"User-Agent": "<b>Fire</b>fox"}).signs_up()
    Call().presses("1")
    Call(caller="+12065550177")  # hangs up
    work()
    for user in (olive, make_supervisor()):
        client.force_login(user)
        listed = client.get("/admin/messaging/signup/").content.decode()
        assert listed.count("Not counted: opted out") >= 2 and JANE in listed and "No answer yet" in listed
    pages = {
        each.channel: f"/admin/messaging/signup/{each.pk}/change/"
        for each in SignUp.objects.filter(contact__isnull=False)
    }
    web = client.get(pages["web_form"]).content.decode()
    assert "198.51.100.7" in web and "&lt;b&gt;Fire&lt;/b&gt;fox" in web and "[ ] I agree" in web
    assert "Key: 1" in client.get(pages["ivr"]).content.decode()
    assert client.get("/admin/messaging/signup/", {"q": "0142"}).context["cl"].result_count == 2


def test_the_history_shows_what_proves_it_and_hides_what_is_hidden(jane: Phone, client: Client) -> None:
    line = make_line(name="Orders")
    make_form(line)
    make_menu(line)
    Visitor().signs_up("(206) 555-0142")
    work()
    Call().presses("9")
    work()
    jane_ = Contact.objects.get(number=JANE)
    modal = reverse("admin:consent_contact_consent", args=[jane_.pk])
    Organisation.objects.update(mask_numbers=True)
    client.force_login(make_agent(line))
    shown = client.get(modal).content.decode()
    assert "What they saw" in shown and "you agree to get texts" in shown and "198.51.100.7" in shown
    assert "They pressed 9 in the phone menu" in shown and "What they heard" in shown
    assert "555-0142" not in shown and "5550142" not in shown, "an agent sees the last digits only"
    client.force_login(make_officer())
    entry = jane_.entries.get(kind="opted_in")
    evidence = Evidence.objects.get(digest=entry.evidence_digest)
    shown = client.get(reverse("admin:consent_evidence_change", args=[evidence.pk])).content.decode()
    for words in ("What they saw", "The number as they typed it", "(206) 555-0142", "IP address", "198.51.100.7"):
        assert words in shown, words


def test_the_lines_page_says_what_to_expect_of_double_opt_in(olive: User, client: Client) -> None:
    shown = client.get(reverse("admin:consent_line_change", args=[make_line().pk])).content.decode()
    assert "Expect most people not to answer" in shown and "four in five" in shown


def test_a_menu_is_switched_off_and_not_deleted(olive: User, client: Client) -> None:
    menu = make_menu(make_line())
    assert client.post(reverse("admin:messaging_phonemenu_change", args=[menu.pk]), {"number": ""}).status_code == 302
    assert not PhoneMenu.objects.get().active
    assert client.post(reverse("admin:messaging_phonemenu_delete", args=[menu.pk]), {"post": "yes"}).status_code == 403
