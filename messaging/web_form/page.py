"""The public page: shows on GET, keeps what was entered on POST, and answers everybody alike.

A sign-up is stored as a receipt and settled by a worker. So the answer is given before anybody looks at what is known
of the number, and neither its words nor its time tell whether the number is known, unknown or opted out.

There is no session and no cookie, because browsers withhold them from a page in another site's frame; and without
them a forged request has no visitor's authority to borrow. What a foreign page could still do, to send the form from
its visitors' addresses, the Origin header stops. That the visitor saw these very words is proved by a signed token.
"""

import datetime as dt
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import urlize
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from consent import clock, phones
from consent.models import Contact, Organisation
from consent.vocabulary import Language
from messaging import automatic, bell, rendering
from messaging.models import Receipt, Template, TemplateVersion, WebForm
from messaging.sign_ups import PageEntry
from messaging.text import printable
from messaging.web_form import address, limits
from messaging.web_form.entry import EntryForm
from messaging.web_form.words import Words, options, words
from messaging.wordings import Kind

# A page that was open for longer is shown again.
OPEN_FOR = dt.timedelta(days=1)
# In the order in which they stand on the page.
FIELDS = ("country", "number", "agree")
_SALT = "optline.web_form"


@dataclass(frozen=True)
class Shown:
    """The page of a form in one language, as a visitor reads it now."""

    form: WebForm
    language: str
    company: str
    version: TemplateVersion
    heading: str
    disclosure: str
    agree: str

    @property
    def own(self) -> Words:
        return words(self.language)

    @property
    def all_words(self) -> str:
        """What is kept as evidence: everything that was to be read before agreeing, from top to bottom."""
        return f"{self.heading}\n\n{self.disclosure}\n\n[ ] {self.agree}\n\n[{self.own.sign_up}]"

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"{self.version.uuid}\n{self.all_words}".encode()).hexdigest()

    @property
    def linked(self) -> SafeString:
        """The disclosure as HTML, its addresses as links that leave the form (and a frame around it) where it is."""
        links = urlize(self.disclosure, nofollow=True, autoescape=True)
        return mark_safe(links.replace("<a href", '<a target="_blank" href'))  # escaped above; no other tag is in it

    def address(self, page: str = "web_form_in") -> str:
        return reverse(page, args=[self.form.slug, self.language])


def shown(form: WebForm, language: str = "") -> Shown:
    """The page in ``language``, else the line's; all of it in the language of the wording that speaks there."""
    company = Organisation.objects.current()
    template = Template.objects.for_line(Kind.WEB_FORM, form.line, [language, form.line.language])
    version, language = template.current, template.language
    assert version is not None  # for_line finds none without
    values = automatic.values(form.line, Contact(), None, company)
    own = words(language)
    return Shown(
        form=form,
        language=language,
        company=company.name,
        version=version,
        heading=form.heading or own.heading.format(company=company.name),
        disclosure=rendering.render(version.body, Kind.WEB_FORM, values, language).strip(),
        agree=own.agree.format(company=company.name),
    )


def languages(form: WebForm) -> list[str]:
    """In which the form is offered, the one without a language in its address first: each has a wording of its own."""
    first = Template.objects.for_line(Kind.WEB_FORM, form.line, [form.line.language]).language
    worded = Template.objects.filter(kind=Kind.WEB_FORM, in_use=True, current__isnull=False)
    spoken = set(worded.filter(line=form.line).values_list("language", flat=True))
    spoken |= set(worded.filter(line=None).exclude(language=Language.ENGLISH).values_list("language", flat=True))
    return [first, *(each for each in Language.values if each in spoken and each != first)]


# ---- views ----------------------------------------------------------------------------------------------------------

View = Callable[..., HttpResponse]


def _public(view: View) -> View:
    """Find the form, 404 where it is not there or switched off, and say who may frame the page."""

    @csrf_exempt
    @never_cache
    @xframe_options_exempt  # frame-ancestors below says it line by line, which the older header can't
    @wraps(view)
    def guarded(request: HttpRequest, slug: str, language: str = "") -> HttpResponse:
        form = WebForm.objects.select_related("line").filter(slug=slug).first()
        if form is None or not form.is_open or (language and language not in languages(form)):
            raise Http404
        response = view(request, shown(form, language))
        response["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
            f"frame-ancestors 'self' {' '.join(form.framed_by.split())}".rstrip()
        )
        return response

    return guarded


@_public
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, page: Shown) -> HttpResponse:
    """The form, with its box unticked; on POST what is wrong with it, or the way to the answer."""
    if request.method != "POST":
        return _drawn(request, page)
    if request.content_type != "application/x-www-form-urlencoded":
        return HttpResponse(status=415)  # before anything reads it: other forms may carry files of any size
    if not _is_from_here(request):
        return _answer(page, page.own.elsewhere_heading, page.own.elsewhere, link=True, status=403)
    token = _read_token(request.POST.get("token", ""))
    entry = EntryForm(request.POST, form=page.form, words=page.own, language=page.language)
    if token is None or token["shown"] != page.fingerprint:
        return _drawn(request, page, entry, read_again=True)
    if not entry.is_valid():
        return _drawn(request, page, entry, framed_in=token["framed_in"])
    if not _keep(request, page, entry.cleaned_data, token):
        return _answer(page, page.own.too_many_heading, page.own.too_many, status=429)
    return HttpResponseRedirect(page.address("web_form_done"), status=303)


@_public
@require_safe
def done(request: HttpRequest, page: Shown) -> HttpResponse:
    """The same for everybody."""
    return _answer(page, page.own.done_heading, page.own.done, page.own.done_out)


def _keep(request: HttpRequest, page: Shown, given: dict[str, Any], token: dict[str, str]) -> bool:
    """Store the sign-up. False, and nothing stored, where too many came from this address.

    Beyond the limit of a number it is stored all the same, and marked: the work is the same, and so is the answer.
    """
    now, number, visitor = timezone.now(), given["e164"], address.of(request)
    with transaction.atomic(durable=True):
        if limits.is_too_much_for_address(address.counted(visitor), now):
            return False
        entry = PageEntry(
            line=page.form.line.number,
            wording=str(page.version.uuid),
            words=page.all_words,
            language=page.language,
            number=number,
            typed=printable(given["number"]),
            country=given["country"],
            address=visitor,
            user_agent=printable(request.headers.get("User-Agent", ""))[:500],
            url=settings.PUBLIC_URL + page.address(),
            framed_in=token["framed_in"],
            over_limit=limits.is_too_much_for_number(number, now),
        )
        receipt = Receipt(
            kind=Receipt.Kind.WEB_FORM,
            # The same page sent twice, as by a double click, is one sign-up.
            provider_id=hashlib.sha256(f"{token['page']} {number}".encode()).hexdigest(),
            number=number,
            raw=entry.as_raw(),
            received_at=clock.database_now(),
        )
        Receipt.objects.bulk_create([receipt], ignore_conflicts=True)
        bell.ring_settle()
    return True


def _is_from_here(request: HttpRequest) -> bool:
    """True unless a browser says that another site's page sent this. Browsers say it with every POST."""
    origin = request.headers.get("Origin")
    public = urlsplit(settings.PUBLIC_URL)
    return origin in {None, f"{public.scheme}://{public.netloc}", f"{request.scheme}://{request.get_host()}"}


# ---- the token ------------------------------------------------------------------------------------------------------


def _token(page: Shown, framed_in: str) -> str:
    return signing.dumps(
        {"shown": page.fingerprint, "page": secrets.token_urlsafe(12), "framed_in": framed_in}, salt=_SALT
    )


def _read_token(given: str) -> dict[str, str] | None:
    try:
        return signing.loads(given[:2000], salt=_SALT, max_age=OPEN_FOR)
    except signing.BadSignature:
        return None


# ---- drawing --------------------------------------------------------------------------------------------------------


def _drawn(
    request: HttpRequest,
    page: Shown,
    entry: EntryForm | None = None,
    *,
    read_again: bool = False,
    framed_in: str | None = None,
) -> HttpResponse:
    found = {} if entry is None else entry.errors
    errors = {name: found[name][0] for name in FIELDS if name in found}
    if read_again:
        errors = {"agree": page.own.read_again}
    if framed_in is None:
        framed_in = printable(request.headers.get("Referer", ""))[:300]
    country = (entry.data.get("country") if entry else "") or page.form.country
    choices = options(page.language, page.form.countries)
    context = {
        "page": page,
        "own": page.own,
        "token": _token(page, framed_in),
        "number": entry.data.get("number", "")[:40] if entry else "",
        "country": country,
        "options": choices,
        # Ticked stays ticked where only something else was wrong; never where the words are to be read again.
        "ticked": bool(entry and entry.data.get("agree") and not read_again),
        "errors": errors,
        "first_wrong": next(iter(errors), ""),
        "hint": page.own.number_hint.format(example=_example(country) or _example(page.form.country)),
        "languages": [
            (code, words(code).language, reverse("web_form_in", args=[page.form.slug, code]))
            for code in languages(page.form)
            if code != page.language
        ],
    }
    status = 422 if entry is not None else 200
    return HttpResponse(render_to_string("web_form/page.html", context), status=status)


def _example(country: str) -> str:
    return phones.example(country) if phones.is_country(country) else ""


def _answer(page: Shown, heading: str, *sentences: str, link: bool = False, status: int = 200) -> HttpResponse:
    context = {
        "page": page,
        "heading": heading,
        "sentences": [sentence.format(line=phones.readable(page.form.line.number)) for sentence in sentences],
        "address": page.address() if link else "",
    }
    return HttpResponse(render_to_string("web_form/answer.html", context), status=status)
