"""No serious finding of axe-core on the main screens, in light and dark, wide and narrow."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

OFFICERS_SCREENS = {
    "dashboard": "/admin/",
    "alerts": "/admin/alerts/",
    "contacts": "/admin/consent/contact/",
    "review queue": "/admin/messaging/review/",
    "template": "/admin/messaging/template/1/change/",
    "responders": "/admin/messaging/keywordresponder/",
    "try a text": "/admin/messaging/keywordresponder/try/",
    "line": "/admin/consent/line/1/change/",
    "organisation": "/admin/consent/organisation/1/change/",
    "do not contact": "/admin/consent/donotcontact/look-up/",
    "ledger": "/admin/consent/ledgerentry/",
    "contact": "/admin/consent/contact/5/change/",
    "a review": "the first review",
    "snapshot": "/admin/reporting/reportrun/snapshot/",
    "snapshot, narrowed": "/admin/reporting/reportrun/snapshot/?search=e&statuses=opted_out&statuses=not_defined",
    "snapshot, put wrongly": "/admin/reporting/reportrun/snapshot/?as_of=2999-01-01T00:00",
    "funnel": "/admin/reporting/reportrun/funnel/",
    "exports": "/admin/reporting/reportrun/",
    "an export": "the first export",
    "progress of an export": "the first export's progress",
}
AGENTS_SCREENS = {"dashboard": "/admin/", "inbox": "/admin/messaging/conversation/", "thread": "the first thread"}


def findings(page: Page) -> list[str]:
    """Serious and critical ones: rule, what it says, and the first place."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['help']} ({len(each['nodes'])} times, first {each['nodes'][0]['html'][:200]})"
        for each in found
        if each["impact"] in {"serious", "critical"}
    ]


def look_at(page: Page, address: str) -> None:
    if address == "the first review":
        page.goto("/admin/messaging/review/")
        page.locator("#result_list a[href*='/review/']").first.click()
    elif address.startswith("the first export"):
        page.goto("/admin/reporting/reportrun/snapshot/")
        with page.expect_download(), page.expect_response("**/snapshot/export/") as answer:
            page.get_by_role("button", name="Export CSV", exact=True).click()
        if "progress" in address:
            page.goto(f"/admin/reporting/reportrun/{answer.value.headers['report-run']}/progress/")
        else:
            page.goto("/admin/reporting/reportrun/")
            page.locator("#result_list a[href*='/change/']").first.click()
    elif address == "the first thread":
        page.goto("/admin/messaging/conversation/")
        page.locator(".inbox-row a").first.click()
    else:
        page.goto(address)
    page.wait_for_load_state("networkidle")


# Unfold chooses light or dark when a page is loaded; switching it is what its own menu does.
DARK = """async () => {
    document.documentElement.classList.add("dark");
    await Promise.allSettled(document.getAnimations().map((each) => each.finished));
}"""


@pytest.mark.parametrize("size", ["wide", "phone"])
@pytest.mark.parametrize("who", ["olivia", "ana"])
def test_no_serious_finding(sign_in: Callable[..., Page], who: str, size: str) -> None:
    page = sign_in(who, size=size)
    found = {}
    for name, address in (OFFICERS_SCREENS if who == "olivia" else AGENTS_SCREENS).items():
        page.emulate_media(color_scheme="light")
        look_at(page, address)
        light = findings(page)
        page.emulate_media(color_scheme="dark")
        page.evaluate(DARK)
        if serious := light + findings(page):
            found[name] = serious
    assert found == {}
