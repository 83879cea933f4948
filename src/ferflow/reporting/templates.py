"""The HTML templates of this folder; `page.css` is the style of every page."""

from __future__ import annotations

import jinja2


def load_template(name: str) -> jinja2.Template:
    """A template whose values are escaped; a value that is missing is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ferflow", "reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
