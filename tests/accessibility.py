"""Whether people with a keyboard, a screen reader, weak sight or a small screen can use a page."""

from __future__ import annotations

from typing import Any

from tests.serving.browser import opened

_SERIOUS = ("serious", "critical")
_WIDTHS = (1200, 400)


def faults_of(address: str) -> list[str]:
    """What is wrong with the page at an address; one line each.

    That is what axe-core finds serious or critical in light and dark, wide and narrow; a page wider than its
    screen; and what the page complains of in the console.
    """
    complaints: list[str] = []
    with opened(address, complaints=complaints) as page:
        return serious_faults(page) + complaints


def serious_faults(page: Any) -> list[str]:
    """The same of an open page, without its complaints."""
    from axe_playwright_python.sync_playwright import Axe

    found: list[str] = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width in _WIDTHS:
            place = f"{scheme}, {width} px"
            page.set_viewport_size({"width": width, "height": 900})
            if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
                found.append(f"{place}: the page is {wide} px wide")
            found += [
                f"{place}: {entry['id']}: {node['target'][0]}: {node['failureSummary']}"
                for entry in Axe().run(page).response["violations"]
                if entry["impact"] in _SERIOUS
                for node in entry["nodes"][:3]
            ]
    return found
