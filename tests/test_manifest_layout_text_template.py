"""Text templates: what they see, the line ends, and that they end."""

import time
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


LONG = "{% set a = 'x' * 1000000 %}"


@pytest.mark.parametrize(
    "template",
    [
        "{{ ['x' * 1000000] * 1000000 }}",
        "{{ (['x' * 1000000] * 1500)|join }}",
        LONG + "{% set a = a ~ a %}" * 30,
        LONG + "{{ " + " ~ ".join(["a"] * 3000) + " }}",
        "{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}",
        LONG + "{{ [a]|replace('x', a)|length }}",
        LONG + "{{ 'xx'|replace('x', [a] * 50)|length }}",
        "{{ '" + "a" * 90000 + "'|replace('a', '" + "b" * 90000 + "')|length }}",
        "{{ range(100000)|map('replace', '1', 'x' * 1000000)|list }}",
        LONG + "{{ range(100000)|map('string')|join(a) }}",
        "{% set l = [1] %}" + "{% set l = [l, l] %}" * 60,
        "{% set l = (1,) %}" + "{% set l = (l, l) %}" * 60,
        "{% set l = {} %}" + "{% set l = {1: l, 2: l} %}" * 60,
        "{% set l = ['x'] %}" + "{% set l = l + l %}" * 60,
        LONG + "".join(f"{{% set a{n} = a[1:] %}}" for n in range(100)),
        LONG + "{% set b %}{% for i in range(9999) %}{{ a }}{% endfor %}{% endset %}{{ b|length }}",
        "{% set b %}{% for i in range(9999) %}" + "x" * 50000 + "{% endfor %}{% endset %}{{ b|length }}",
        LONG + "{% filter length %}{% for i in range(9999) %}{{ a }}{% endfor %}{% endfilter %}",
        LONG + "{{ a.strip('y' * 1000000) }}",
        LONG + "{{ a.rsplit('y' + 'x' * 500000) }}",
        LONG + "{% for i in range(99999) %}{% if a.count('x') %}{% endif %}{% endfor %}",
        LONG + "{% set b = 'x' * 1000000 %}{% for i in range(99999) %}{% if a == b %}{% endif %}{% endfor %}",
        LONG + "{% for i in range(99999) %}{% if a is lower %}{% endif %}{% endfor %}",
        "{% set n = 999999999 %}" + "{% set n = n * n %}" * 30,
        "{{ 2.5|round(999999999, 'ceil') }}",
        "{{ ([[1]] * 100000)|sum(start=[]) }}",
        "{{ [1].append(2) }}",
        "{{ 'a\t'.expandtabs(1000) }}",
        "{{ 'a'.translate({97: 'b'}) }}",
        "{{ 'a'.join('b') }}",
    ],
)
def test_what_a_template_makes_on_the_way_is_limited(template: str) -> None:
    begin = time.process_time()
    found = failure(template)
    assert any(words in found for words in ("letters", "too large", "too long", "too often", "not available"))
    assert time.process_time() - begin < 60


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ x ~ 1 ~ [2] }}", b"a1[2]"),
        ("{% for a, b in [(1, 2), (3, 4)] %}{{ b }}{% endfor %}", b"24"),
        ("{% set a, b = (1, 2) %}{{ a + b * 2 - 1 }}", b"4"),
        ("{{ {'k': x}.get('k').upper() }}{{ 'b'[0] }}{{ 'abc'[1:] }}", b"Abbc"),
        ("{{ ['c', 'a']|sort|map('upper')|join(', ') }}", b"A, C"),
        ("{{ files|map('replace', '1', 'one')|join(' ') }}", b"0 one 2 3 4 5 6 7 8 9"),
        ("{% set b %}<{{ x }}>{% endset %}{{ b }}{% filter upper %}y{{ x }}{% endfilter %}", b"<a>YA"),
        ("{% for i in range(3) %}{{ loop.cycle('o', 'e') }}{% endfor %}", b"oeo"),
        ("{% if 'a' in x and 1 < 2 <= 2 and x is eq('a') %}{{ 'a/b.fits'.endswith('.fits') }}{% endif %}", b"True"),
        ("{{ x is defined }} {{ '%s' is string }} {{ x.replace('a', 'bb').ljust(4) }}|", b"True True bb  |"),
        ("{{ [1, 2.5]|sum }} {{ 2.345|round(2) }} {{ '7'|int * 6 }}", b"3.5 2.35 42"),
    ],
)
def test_operations_are_those_of_jinja(template: str, text: bytes) -> None:
    assert rendered(template, {"x": "a", "files": Passes()}) == text


def test_each_file_adds_to_what_a_template_may_make() -> None:
    template = "{% for i in range(1000) %}{% set a = 'x' * 100000 %}{% endfor %}"
    with pytest.raises(TextTemplateError, match="more than 67,108,864 letters, line 1"):
        rendered(template, {})
    assert b"".join(render_text(template, {}, newline="\n", limit_bytes=1000, file_count=20_000)) == b""


@pytest.mark.parametrize("number", ["9" * 5000, "0x" + "f" * 5000])
def test_template_with_an_endless_number_is_refused(number: str) -> None:
    with pytest.raises(TextTemplateError, match="too long"):
        parse_text_template("{{ " + number + " }}", frozenset())


def test_template_of_a_forged_manifest_is_checked_as_well() -> None:
    endless = "{% macro a() %}{{ a() }}{{ a() }}{% endmacro %}{{ a() }}"
    with pytest.raises(TextTemplateError, match="a macro or block is not available, line 1"):
        list(render_text(endless, {}, newline="\n", limit_bytes=1000))


def test_template_of_thousands_of_brackets_is_refused() -> None:
    with pytest.raises(TextTemplateError, match="too deeply"):
        parse_text_template("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", frozenset())
