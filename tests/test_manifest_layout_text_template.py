"""Text templates: what they see, the line ends, and that they end."""

from collections.abc import Iterator, Mapping

import pytest

from qa2pack.manifest.layout.text_template import TextTemplateError, parse_text_template, render_text


def rendered(template: str, facts: Mapping[str, object], *, newline: str = "\n") -> bytes:
    checked = parse_text_template(template, {"x"})
    return b"".join(render_text(checked.text, facts, newline=newline, limit_bytes=1000))


def failure(template: str) -> str:
    with pytest.raises(TextTemplateError) as failed:
        rendered(template, {"x": "a"})
    return str(failed.value)


def test_lines_of_statements_leave_no_lines() -> None:
    assert (
        rendered("a\n  {% for line in tree %}\n{{ line }}\n  {% endfor %}\nb\n", {"tree": ["1", "2"]})
        == b"a\n1\n2\nb\n"
    )


class Passes:
    """Ten parts that can be gone through several times, and have no length."""

    def __iter__(self) -> Iterator[str]:
        return iter("0123456789")


def test_parts_that_are_not_in_memory_can_be_counted() -> None:
    assert (
        rendered("{{ files|length }} {{ files|count }} {{ x|length }}", {"files": Passes(), "x": "abc"}) == b"10 10 3"
    )


def test_counting_takes_steps() -> None:
    template = "{% for a in range(99999) %}{% if files|length %}{% endif %}{% endfor %}"
    with pytest.raises(TextTemplateError, match="too many steps"):
        rendered(template, {"files": Passes()})


def test_line_ends_of_the_template_are_as_asked_for() -> None:
    assert rendered("a\n{{ header }}b", {"header": "c\n"}, newline="\r\n") == b"a\r\nc\nb"


def test_name_that_is_not_utf8_comes_out_as_its_bytes() -> None:
    assert rendered("{{ x }}", {"x": b"a\xff".decode("utf-8", "surrogateescape")}) == b"a\xff"


def test_what_is_not_there_is_an_error_with_its_line() -> None:
    assert failure("a\n\n{{ x.size }}") == "'str object' has no attribute 'size', line 3"


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("{% for a in range(9999) %}aaaa{% endfor %}", "longer than 1,000 bytes"),
        ("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", "too many steps"),
        ("{{ range(1000000000) }}", "a number is too large"),
        ("{{ 'a' * 1000000000000 }}", "repeated too often"),
        ("{{ 'a'.ljust(1000000000000) }}", "a number is too large"),
        ("{{ '{:>1000000000000}'.format(1) }}", "format is not available"),
        ("{{ '%1000000000000d' % 1 }}", "% is not available"),
        ("{{ 9 ** 9 ** 9 ** 9 }}", "** is not available"),
        ("{{ x.__class__.__mro__ }}", "unsafe"),
        ("{{ 1 / 0 }}", "division by zero"),
    ],
)
def test_template_that_would_not_end_or_leave_the_sandbox_is_stopped(template: str, found: str) -> None:
    assert found in failure(template)


def test_template_of_a_forged_manifest_is_checked_as_well() -> None:
    endless = "{% macro a() %}{{ a() }}{{ a() }}{% endmacro %}{{ a() }}"
    with pytest.raises(TextTemplateError, match="a macro or block is not available, line 1"):
        list(render_text(endless, {}, newline="\n", limit_bytes=1000))


def test_template_of_thousands_of_brackets_is_refused() -> None:
    with pytest.raises(TextTemplateError, match="too deeply"):
        parse_text_template("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", frozenset())
