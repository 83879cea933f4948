"""The page in headless Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import lacks

# Where Debian puts it; playwright's own download is not used.
_CHROMIUM = Path("/usr/bin/chromium")
_MILLISECONDS = 30_000
# Its webcam is a drawn one, and pages may use it without asking.
_FLAGS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


@contextmanager
def opened(address: str, *, complaints: list[str]) -> Iterator[Any]:
    """Yield the page at an address.

    Args:
        address: Of the service.
        complaints: Gets what the page writes to the console and the errors of its script.
    """
    from playwright.sync_api import sync_playwright

    if not _CHROMIUM.is_file():
        lacks(f"{_CHROMIUM}: not found; run 'apt-get install chromium'")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(_CHROMIUM), args=_FLAGS)
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        page.set_default_timeout(_MILLISECONDS)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        yield page
        browser.close()


def read(page: Any, path: Path, *, says: str) -> None:
    """Upload a picture and wait until the page says so."""
    page.locator("#status").evaluate("entry => { entry.textContent = ''; }")
    page.locator("#file").set_input_files(path)
    page.locator("#status").filter(has_text=says).wait_for()


def shown(page: Any) -> list[dict[str, float]]:
    """The probabilities of each face, as the bars have them."""
    return [
        {
            row.get_attribute("data-emotion"): float(row.get_attribute("data-probability"))
            for row in card.locator("tr").all()
        }
        for card in page.locator(".card").all()
    ]
