"""Nothing that a page offers ends in a refusal or an error: each role follows the links that its pages show."""

import re
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import Page

LINK = re.compile(r'<a\s[^>]*?href="([^"]+)"')
# In a page of a row: supervisors and agents only look at those.
SAVES = 'name="_save"'
SAVES_NOTHING = {"sam", "ana"}
# Fewer would mean that a menu or a list was empty.
AT_LEAST = {"olivia": 50, "sam": 35, "ana": 12}


def offered(page: Page, address: str) -> tuple[str, set[str]]:
    """A page, and where it leads within the admin, without its own sortings and searches."""
    answer = page.request.get(address)
    assert answer.status == 200, f"{answer.status} {address}"
    html = answer.text()
    links = {urljoin(answer.url, link.replace("&amp;", "&")).split("#")[0] for link in LINK.findall(html)}
    here = urlsplit(answer.url).path
    inside = {link for link in links if urlsplit(link).path.startswith("/admin/") and urlsplit(link).path != here}
    return html, {link for link in inside if "/logout/" not in link}


def one_of_each_kind(links: set[str]) -> list[str]:
    """Rows of a list differ in their numbers alone; one of them stands for the others."""
    kinds = {re.sub(r"\d+", "1", urlsplit(link).path): link for link in sorted(links)}
    return list(kinds.values())


@pytest.mark.parametrize("who", ["olivia", "sam", "ana"])
def test_every_link_leads_somewhere(sign_in: Callable[..., Page], who: str) -> None:
    page = sign_in(who)
    _, menu = offered(page, page.url)
    opened, refused, saves = set(menu), [], set()
    for address in sorted(menu):
        _, seen = offered(page, address)
        for each in one_of_each_kind(seen - opened):
            answer = page.request.get(each)
            opened.add(each)
            if answer.status >= 400:
                refused.append(f"{answer.status} {each}, offered on {address}")
            elif "/change/" in each and SAVES in answer.text():
                saves.add(each)
    assert refused == []
    assert bool(saves) == (who not in SAVES_NOTHING), saves
    assert len(opened) >= AT_LEAST[who]
