"""View of the sources of options that were not typed: lines and JSON fields."""

from collections.abc import Iterator, Sequence

from qa2pack.pack.settings.option_source import Default
from qa2pack.pack.terminal.style import folded, unbroken
from qa2pack.pack.views.json_fields import Fields


def default_lines(defaults: Sequence[Default]) -> Iterator[str]:
    """Yield a line for each source of options."""
    sources: dict[str, list[str]] = {}
    for default in defaults:
        sources.setdefault(default.source, []).append(default.option)
    for source, options in sources.items():
        yield from folded(f"{', '.join(options)} from {unbroken(source)}", indent=2)


def default_fields(defaults: Sequence[Default]) -> list[Fields]:
    """Return an object for each option."""
    return [{"option": each.option, "source": each.source} for each in defaults]
