"""Written files of layouts as they are loaded: what `[[write]]` may say, and what is refused with the line."""

from pathlib import Path

import pytest

from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.rules import Layout
from qa2pack.manifest.problem import Code, Problem, Refused

BEFORE = """readme = false
[[folder]]
name = "script"
[variable.piscript]
[variable.version]
default = "1"
[[place]]
name = "top"
[[rule]]
match = "*.py"
to = "script/{name}"
[[write]]
"""
LINE = 12


def loaded(tmp_path: Path, text: str, template: str = "") -> Layout:
    (tmp_path / "list.jinja").write_text(template)
    path = tmp_path / "mine.toml"
    path.write_text(BEFORE + text)
    return load_layout(str(path))


def refusal(tmp_path: Path, text: str, template: str = "") -> Problem:
    with pytest.raises(Refused) as refused:
        loaded(tmp_path, text, template)
    (problem,) = refused.value.problems
    return problem


def test_empty_text_is_a_text(tmp_path: Path) -> None:
    (write,) = loaded(tmp_path, 'to = "script/scriptForImaging.py"\ntext = ""').writes
    assert (write.to.text, write.text, write.template, write.source) == ("script/scriptForImaging.py", b"", None, "")


def test_template_is_read_beside_the_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded(tmp_path, 'to = "script/list"\ntemplate = "list.jinja"', "{{ version }}{% for f in files %}{% endfor %}")
    monkeypatch.chdir(tmp_path)
    (write,) = load_layout("./mine.toml").writes
    assert write.template is not None
    assert (write.template.is_late, write.needs) == (True, frozenset({"version"}))


def test_digests_that_a_template_names_are_known(tmp_path: Path) -> None:
    text = '{% for f in files %}{{ f.md5 }}{{ f["sha256"] }}{% endfor %}'
    (write,) = loaded(tmp_path, 'to = "script/list"\ntemplate = "list.jinja"', text).writes
    assert write.template is not None and write.template.digests == ("md5", "sha256")


def test_value_of_a_variable_of_from_is_a_path(tmp_path: Path) -> None:
    layout = loaded(tmp_path, 'to = "script/scriptForPI.py"\nfrom = "{piscript}"')
    assert layout.variables["piscript"].is_like(b"/data/scriptForPI.py")
    assert not layout.variables["version"].is_like(b"/data/scriptForPI.py")


@pytest.mark.parametrize(
    ("text", "expected", "found"),
    [
        ('text = ""', "to, and one of text, template and from", "text"),
        ('to = "script/a"', "to, and one of text, template and from", "to"),
        ('to = "script/a"\ntext = ""\nfrom = "{piscript}"', "to, and one of", "from, text, to"),
        ('to = "../../a"\ntext = ""', "a path below the member", "../a"),
        ('to = "../script/b"\ntext = ""', "a path in the member, or ../NAME", "../script/b"),
        ('to = "/a"\ntext = ""', "a path below the member", "/a"),
        ('to = "script//a"\ntext = ""', "a path below the member", "script//a"),
        ('to = "raw/a"\ntext = ""', "one of the folders script", "raw"),
        ('to = "script/{name}"\ntext = ""', "one of the variables piscript, project, version in to", "name"),
        ('to = "script/{piscript}"\nfrom = "{piscript}"', "one of the variables project, version in to", "piscript"),
        ('to = "script/a"\nfrom = "piscript"', "one of the variables {piscript}, {version} for from", "piscript"),
        ('to = "script/a"\nfrom = "{other}"', "for from", "{other}"),
        ('to = "script/a"\nfrom = "{version}"', "no default for a variable of from", "1"),
        ('to = "script/a"\ntext = ""\nneeded = true', "from beside needed", "needed, text, to"),
        ('to = "script/a"\ntext = ""\nnewline = "\\n"', "template beside newline", "newline, text, to"),
        ('to = "script/a"\ntemplate = "list.jinja"\nnewline = "x"', "one of \n, \r\n", "x"),
        ('to = "script/a"\ntemplate = "sub/list.jinja"', "a file beside the layout", "sub/list.jinja"),
        ('to = "script/a"\ntemplate = "none.jinja"', "a file none.jinja beside the layout", "no such file"),
        ('to = "script/a"\nmode = 1\ntext = ""', "write keys", "mode"),
        ('to = "script/a"\ntext = ""\n[[write]]\nto = "script/a"\ntext = "b"', "no other [[write]]", "script/a"),
    ],
)
def test_wrong_table_is_refused(tmp_path: Path, text: str, expected: str, found: str) -> None:
    problem = refusal(tmp_path, text)
    assert problem.code in (Code.UNKNOWN_LAYOUT, Code.UNKNOWN_ROLE)
    assert expected in str(problem.expected) and found in str(problem.found)


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("a\n{% for x in files %}", "list.jinja: Unexpected end of template"),
        (
            "a\n{{ mous }}",
            "mous: not one of files, folders, header, member, piscript, project, tree, version, line 2",
        ),
        ("{{ 1|pprint }}", "No filter named 'pprint'"),
        ("a\nb\n{% include 'c' %}", "list.jinja: another file is not available, line 3"),
        ("{% macro a() %}{% endmacro %}", "a macro or block is not available, line 1"),
        ("{% for f in files recursive %}{% endfor %}", "a recursive loop is not available"),
        ("{{ self.a() }}", "self is not available"),
    ],
)
def test_wrong_template_is_refused_with_its_line_and_that_of_the_table(
    tmp_path: Path, template: str, found: str
) -> None:
    problem = refusal(tmp_path, 'to = "script/a"\ntemplate = "list.jinja"', template)
    assert found in str(problem.found)
    assert str(problem.found).endswith(f"in [[write]] 1, line {LINE}")


def test_readme_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(BEFORE.removeprefix("readme = false\n") + 'to = "README"\ntext = ""')
    with pytest.raises(Refused) as refused:
        load_layout(str(path))
    assert "readme = false" in str(refused.value.problems[0].expected)
