"""HTML pages: templates with the filters of all of them, everything escaped, and the one style sheet with its digest.

A page has no script. Its content security policy forbids every request and every style but its own, which it knows by
the digest, so that even a mistake in escaping could not send anything.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from importlib import resources
from typing import TYPE_CHECKING

from qa2pack.manifest.humanize import counted, human_bytes, local_time
from qa2pack.manifest.path import shown

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup


def page_style() -> tuple[str, str]:
    """Return the style sheet, and its digest as a policy names it."""
    style = _resource("report.css")
    return style, base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


def page_template(name: str, filters: Mapping[str, Callable[..., object]] | None = None) -> "Template":
    """Return a template, with filters of its own besides those of all pages."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "human": human_bytes,
        "counted": counted,
        "local": local_time,
        "shown": shown,
        "breakable": breakable,
        **(filters or {}),
    }
    return environment.from_string(_resource(name))


def breakable(name: str) -> "Markup":
    """Return an escaped name with line break opportunities after its parts."""
    from markupsafe import Markup, escape

    # HTML entities contain none of these characters.
    return Markup(re.sub(r"[/_.]+", r"\g<0><wbr>", str(escape(name))))


def _resource(name: str) -> str:
    return (resources.files("qa2pack.pack") / "templates" / name).read_text(encoding="utf-8")
