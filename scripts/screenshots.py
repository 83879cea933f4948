"""Pictures of every page that ferflow writes or serves, to be looked at: light and dark, wide and narrow.

    python -m scripts.screenshots PROJECT --output FOLDER [--only runs]

PROJECT is a folder in which a pipeline ran; the pages that lie there are taken, and those of the service are
served for it. `ferflow compare`, `insight`, `tune`, `explain`, `watch --page`, `runs --page` write the rest.
Needs Debian's Chromium.
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CHROMIUM = "/usr/bin/chromium"
_SCHEMES = ("light", "dark")
_WIDTHS = (1200, 400)
_SERVED = ("app", "serve")
_PORT = "8765"


def main() -> int:
    """Take the pictures; the exit code is 1 where there was no page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--only", default="", help="pages whose name holds this")
    parser.add_argument("--photo", type=Path, help="a picture that the page of the app reads")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    from playwright.sync_api import sync_playwright

    number = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        for name, path in pages_of(arguments.project):
            if arguments.only in name:
                number += _take(page, path.resolve().as_uri(), name, arguments.output)
        for command in _SERVED:
            if arguments.only in command:
                with served(command, arguments.project) as address:
                    photo = arguments.photo if command == "app" else None
                    number += _take(page, address, command, arguments.output, photo=photo)
        browser.close()
    print(f"{number} pictures in {arguments.output}")
    return 0 if number else 1


def pages_of(project: Path) -> list[tuple[str, Path]]:
    """Name and file of each page that was written there."""
    found = sorted((project / "reports").rglob("*.html"))
    return [("-".join(path.relative_to(project / "reports").with_suffix("").parts), path) for path in found]


@contextmanager
def served(command: str, project: Path) -> Iterator[str]:
    """The address of a service of the project, while the block runs."""
    words = [sys.executable, "-m", "ferflow", command, "--port", _PORT]
    server = subprocess.Popen(words, cwd=project, stdout=subprocess.PIPE, text=True)
    try:
        printed = server.stdout.readline() if server.stdout else ""
        address = re.search(r"http://\S+", printed)
        if address is None:
            raise SystemExit(f"ferflow {command} did not start: {printed}")
        yield address[0]
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


def _take(page: Any, address: str, name: str, folder: Path, *, photo: Path | None = None) -> int:
    """Write the pictures of a page; returns how many."""
    page.goto(address)
    if photo is not None:
        page.locator("#file").set_input_files(photo)
        page.locator("#status").filter(has_text="found").wait_for()
    for scheme in _SCHEMES:
        page.emulate_media(color_scheme=scheme)
        for width in _WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(300)
            page.screenshot(path=str(folder / f"{name}-{scheme}-{width}.png"), full_page=True)
    return len(_SCHEMES) * len(_WIDTHS)


if __name__ == "__main__":
    sys.exit(main())
