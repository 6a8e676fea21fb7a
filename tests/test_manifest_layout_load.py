"""Loading of layout files: what is loaded and what is refused, with the line."""

import os
from pathlib import Path

import pytest

from qa2pack.manifest.layout.load import known_layouts, layout_text, load_layout
from qa2pack.manifest.layout.survey import Kind, Node
from qa2pack.manifest.problem import Code, Problem, Refused

PLACE = '[[folder]]\nname = "qa"\n[[folder]]\nname = "raw"\n[variable.uid]\nlike = "uid"\n[[place]]\nname = "top"\n'
RULE = PLACE + '[[rule]]\nmatch = ["*.txt"]\n'
QA = RULE + 'to = "qa/{name}"\n'


def problem_of(tmp_path: Path, text: str) -> Problem:
    """Load a layout file that is refused and return the one reason."""
    path = tmp_path / "mine.toml"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(Refused) as refused:
        load_layout(str(path))
    (problem,) = refused.value.problems
    return problem


def test_layouts_that_come_with_the_program_are_known() -> None:
    for name in known_layouts():
        assert load_layout(name).name == name
    assert "cycle0" in known_layouts()


def test_first_rule_that_fits_wins(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(QA + '[[rule]]\nmatch = ["a*"]\nto = "raw/{name}"\n')
    layout = load_layout(str(path))
    rule = layout.rule_for(Node(b"a.txt", Kind.FILE), layout.places[0])
    assert rule is not None and rule.to is not None and rule.to.text == "qa/{name}"


def test_rule_for_empty_files_takes_no_others(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(RULE + 'empty = true\nnever = "nothing in it"\n')
    layout = load_layout(str(path))
    assert layout.rule_for(Node(b"a.txt", Kind.FILE), layout.places[0])
    assert not layout.rule_for(Node(b"a.txt", Kind.FILE, size=1), layout.places[0])


def test_rule_for_empty_files_takes_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(RULE.replace("*.txt", "*") + 'empty = true\nnever = "nothing in it"\n')
    layout = load_layout(str(path))
    assert not layout.rule_for(Node(b"plots", Kind.FOLDER), layout.places[0])


def test_brackets_may_hold_what_looks_like_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(RULE.replace("*.txt", "[(?!)]") + 'to = "qa/{name}"\n')
    layout = load_layout(str(path))
    assert layout.rule_for(Node(b"!", Kind.FILE), layout.places[0])


def test_one_pattern_needs_no_list(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(PLACE + '[[rule]]\nmatch = "*.txt"\nto = "qa/{name}"\n')
    (rule,) = load_layout(str(path)).rules
    assert rule.match.texts == ("*.txt",)


def test_layout_of_ones_own_is_loaded_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.toml").write_text('name = "mine"\n' + RULE + 'never = "private"\n')
    monkeypatch.chdir(tmp_path)
    assert load_layout("mine.toml").name == "mine"


def test_unknown_layout_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Refused) as refused:
        load_layout("cycle9")
    (problem,) = refused.value.problems
    assert (problem.code, problem.path) == (Code.UNKNOWN_LAYOUT, b"cycle9")
    assert [name for name in known_layouts() if name not in str(problem.expected)] == []


def test_missing_layout_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no such file"):
        load_layout(str(tmp_path / "none.toml"))


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ('[[rule]]\nmatch = "*"\nto = "raws/{name}"\n', "raws in [[rule]] 1, line 9"),
        ('[[rule]]\nto = "qa/{name}"\nincluded = "raws"\n', "raws in [[rule]] 1, line 9"),
        ('[[check]]\nneeds = "raws"\nwhat = "tables"\n', "raws in [[check]] 1, line 9"),
        ('[[check]]\nalike = ["*"]\nin = "raws"\nwhat = "tables"\n', "raws in [[check]] 1, line 9"),
    ],
)
def test_unknown_folder_is_refused_with_the_known_ones(tmp_path: Path, table: str, line: str) -> None:
    problem = problem_of(tmp_path, PLACE + table)
    assert (problem.code, problem.found) == (Code.UNKNOWN_LAYOUT, line)
    assert problem.expected == "one of the folders qa, raw"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("not toml", "TOML"),
        ("colour = 1\n" + QA, "colour"),
        (QA + "colour = 1\n", "colour"),
        (RULE, "either to or never"),
        (QA + 'never = "private"\n', "either to or never"),
        (RULE + 'never = ""\n', "either to or never"),
        (QA + 'places = ["top", "tops"]\n', "tops"),
        (QA + 'kind = "link"\n', "link"),
        (QA + 'warn = "yes"\n', "true or false"),
        (RULE + "to = 7\n", "text for to"),
        (PLACE + '[[rule]]\nto = "qa/{name}"\n', "match, and either"),
        (PLACE + '[[rule]]\nmatch = 7\nto = "qa/{name}"\n', "list of texts for match"),
        (PLACE + '[[rule]]\nmatch = []\nto = "qa/{name}"\n', "match, and either"),
        ("rule = 7\n" + PLACE, "[[rule]]"),
        ("rule = [7]\n" + PLACE, "rules as [[rule]] tables"),
        ('[[rule]]\nmatch = "*.txt"\nto = "qa/{name}"\n', "places, [[place]]"),
        (PLACE + "[[check]]\n", "nothing in [[check]] 1, line 9"),
        (PLACE + '[[check]]\nneeds = "raw"\n', "the keys needs and what, each with a value and no others"),
        (PLACE + '[[check]]\nlongest = 3\nletters = "a"\nwhat = "x"\n', "one of letters and longest; each is"),
        (
            PLACE + '[[check]]\nletters = "a"\n',
            "or letters and code, each with a value; it may",
        ),
        (
            PLACE + '[[check]]\nunlike = "case"\nwhat = "x"\n',
            "for unlike and no other key: this kind",
        ),
        (
            PLACE + '[[check]]\nproject = ["a"]\nwhat = "x"\n',
            "for project and no other key: this kind",
        ),
        (PLACE + '[[check]]\nlonger = 3\nwhat = "x"\n', "one of needs, alike, absent, project, at_most_one,"),
        (PLACE + '[[check]]\nholds = "x"\n', "holds and what, each with a value; it may also have in, say"),
        (PLACE + '[[check]]\nlacks = ""\nwhat = "x"\n', "each with a value; it may also have say"),
        (PLACE + '[[check]]\nabsent = ["*.tgz"]\nwhat = "a run"\nin = "qa"\n', "absent and what"),
        (PLACE + '[[check]]\nalike = "*.log"\nwhat = "log"\nin = "qa"\n', "list of texts for alike"),
        (PLACE + "[[check]]\nproject = 7\n", "list of texts for project"),
        (PLACE + "[[check]]\nproject = []\n", "project in [[check]] 1, line 9"),
        (PLACE + '[[check]]\nabsent = ["a/[!{uid}-z]"]\nwhat = "x"\n', "outside of brackets"),
        (PLACE + '[[rule]]\nmatch = "[{uid}]"\nto = "qa/{name}"\n', "outside of brackets"),
        (PLACE + '[[rule]]\nmatch = "qa2/*.png"\nto = "qa/{name}"\n', "without a /"),
        (PLACE + '[[rule]]\nmatch = ""\nto = "qa/{name}"\n', "an empty text"),
        (PLACE + '[[rule]]\nmatch = "{uid"\nto = "qa/{name}"\n', "variables in braces"),
        (PLACE + '[[rule]]\nmatch = "{stem}.py"\nto = "qa/{name}"\n', "found stem"),
        (PLACE + '[[rule]]\nmatch = ["{stem}.py", "*.txt"]\nto = "qa/{stem}"\n', "found stem"),
        (
            RULE + 'to = "qa/{mous}/{name}"\n',
            "one of the variables name, path, prefix, project, top, uid in to",
        ),
        (RULE + 'to = "qa/{name}"\nif_taken = "qa/{mous}"\n', "in if_taken found mous"),
        (RULE + 'to = "qa/{name"\n', "variables in braces"),
        (RULE + 'to = "qa/{Name}"\n', "variables in braces"),
        (RULE + 'to = "qa/../{name}"\n', "without empty parts"),
        (RULE + 'to = "/tmp/{name}"\n', "a path below the member"),
        (RULE + 'to = "qa//{name}"\n', "without empty parts"),
        (RULE + 'to = "qa/{prefix}"\n', "without empty parts"),
        (RULE + f'to = "qa/{"x" * 255}{{name}}"\n', "at most 255 bytes"),
        (RULE + 'to = "raw/{name}"\nagain = { to = "raw/{name}.cal" }\n', "to and column for again"),
        (RULE + 'to = "raw/{name}"\nagain = 7\n', "to and column for again"),
        (RULE + 'to = "raw/{name}"\nagain = { to = "raw/{a}", column = "DATA" }\n', "found a"),
        (PLACE + "[[folder]]\n", "name of a folder"),
        (PLACE + '[[folder]]\nname = "a/b"\n', "found a/b in [[folder]] 3, line 9"),
        (PLACE + '[[folder]]\nname = ".."\n', "without empty parts"),
        (PLACE + '[[folder]]\nname = "log"\nreport = ["films"]\n', "one of pictures, scripts, products found films"),
        (PLACE + '[[folder]]\nname = "log"\nalways = 1\n', "true or false for always"),
        (PLACE + '[[place]]\nname = "top"\n', "found top in [[place]] 2, line 9"),
        (PLACE + '[[place]]\nname = "uid"\n', "found uid in [[place]] 2, line 9"),
        (PLACE + '[[place]]\nname = "name"\n', "found name"),
        (PLACE + '[[place]]\nname = "A place"\n', "found A place"),
        (PLACE + "[[place]]\n", "lower case letters"),
        (PLACE + '[[place]]\nname = "in"\ninside = "out"\n', "an earlier place for inside found out"),
        (PLACE + '[[place]]\nname = "in"\ninside = "in"\n', "an earlier place for inside found in"),
        (PLACE + '[[place]]\nname = "in"\npath = "a//b"\n', "an empty text"),
        (PLACE + '[[place]]\nname = "in"\npath = "MOUS_{mous}"\n', "in path found mous"),
        (PLACE + '[[place]]\nname = "in"\nmarked_by = "{mous}.ms"\n', "in marked_by found mous"),
        (PLACE + '[[place]]\nname = "in"\nmarked_by = ["{mous}.ms", "*.x"]\n', "in marked_by found mous"),
        (PLACE + '[[place]]\nname = "in"\npath = "{in}*"\n', "in path found in"),
        (PLACE + '[[place]]\nname = "in"\nprefix = "p"\nno_prefix = "{mous}*"\n', "in no_prefix found mous"),
        (PLACE + '[[check]]\nlacks = "{mous}*"\nwhat = "x"\n', "in lacks found mous"),
        (
            PLACE + '[[rule]]\nmatch = "{top}.py"\nto = "qa/{top}"\n',
            "in to, in match found top",
        ),
        (PLACE + '[[rule]]\nmatch = "{name}.py"\nto = "qa/{name}"\n', "in to, in match found name"),
        (
            PLACE + '[[check]]\nabsent = ["{mous}*"]\nwhat = "x"\n',
            "those of {uid} in absent found {mous}*",
        ),
        (PLACE + '[[rule]]\nmatch = ["*", 7]\nto = "qa/{name}"\n', "list of texts for match found a list"),
        (PLACE + '[[foreign]]\nglobs = ["a/b"]\nreason = "x"\n', "globs of names, without a / found a/b"),
        (RULE + 'never = "x"\nincluded = "qa"\n', "beside never found included"),
        (RULE + 'never = "x"\nif_taken = "qa/{name}"\n', "beside never found if_taken"),
        (QA + "warn = true\n", "never beside warn found match, to, warn"),
        (QA + 'doubtful_column = "DATA"\n', "column beside doubtful_column"),
        (QA + 'again = { to = "qa/{name}.cal", column = "DATA" }\n', "column beside again"),
        (QA + 'column = "DTA"\n', "one of DATA, MODEL_DATA, CORRECTED_DATA, FLOAT_DATA, LAG_DATA found DTA"),
        (PLACE + '[[rule]]\nmatch = "{a}{b}.py"\nto = "qa/{a}/{b}"\n', "text between words"),
        (PLACE + '[[rule]]\nmatch = "*{a}.py"\nto = "qa/{a}"\n', "text between words"),
        (PLACE + '[[rule]]\nmatch = "{a}*.py"\nto = "qa/{a}"\n', "text between words"),
        (PLACE + '[[place]]\nname = "in"\npath = "{v}*"\n[variable.v]\n', "text between words"),
        (PLACE + '[[foreign]]\nglobs = ["a}"]\nreason = "x"\n', "no braces but those of {uid} in globs found a}"),
        (PLACE + '[[place]]\nname = "in"\nprefix = "{uid}__"\n[[place]]\nname = "on"\nprefix = "{x}"\n', "found x"),
        (PLACE + '[[place]]\nname = "in"\nneeded = 1\n', "true or false for needed"),
        ('variable = 7\n[[place]]\nname = "top"\n', "[variable.NAME]"),
        ('[variable]\nuid = 7\n[[place]]\nname = "top"\n', "[variable.NAME]"),
        (PLACE + '[variable.name]\nlike = "*"\n', "found name in [variable.name], line 9"),
        (PLACE + '[variable.mous]\nlike = "a/b"\n', "a glob of names"),
        (PLACE + '[variable.mous]\nlike = "uid"\ndefault = "x"\n', "a name like uid for default found x"),
        (PLACE + '[variable.mous]\nlike = "{uid}"\n', "a glob of names for like, without / and braces"),
        (PLACE + '[variable.mous]\ndefault = ".."\n', "a name like * for default found .."),
        (PLACE + '[variable.mous]\ndefault = "a/b"\n', "a name like * for default found a/b"),
        (PLACE + '[[rule]]\nmatch = "a\\u0000"\nto = "qa/{name}"\n', "without a / or NUL"),
        (PLACE + '[[check]]\nproject = ["\\u0000"]\n', "which never have NUL"),
        (PLACE + f"[[rule]]\nmatch = 0x{'f' * 4000}\n", "a list of texts for match found a number"),
        (PLACE + "[[rule]]\nmatch = 2026-11-28\n", "found a date or time"),
        (PLACE + '[[rule]]\nmatch = "*"\nto = [[]]\n', "text for to found a list"),
        (PLACE + '[[rule]]\nmatch = "*"\nto = {a = 1}\n', "text for to found a table"),
        (PLACE + '[[rule]]\nmatch = "*"\nto = "qa/{name}"\nplaces = true\n', "found true"),
        (PLACE + "[variable.mous]\ncolour = 1\n", "colour in [variable.mous], line 9"),
        (QA + "places = []\n", "no such key for all of them found an empty list in [[rule]] 1, line 9"),
        (
            PLACE
            + 'path = "**/{a}/**/{b}/**/{mous}/**/{a}_{b}_{mous}"\n[variable.mous]\n[variable.a]\n[variable.b]\n',
            "at most 2 variables in several names of a path with **",
        ),
        (RULE.replace("*.txt", "[z-a]*") + 'to = "qa/{name}"\n', "letters in their order, as in [a-z] for match"),
        (RULE.replace("*.txt", "..") + 'to = "qa/{name}"\n', "of which none is empty, . or .. for match found .."),
        (RULE.replace("*.txt", "é" * 128 + "*") + 'to = "qa/{name}"\n', "names of at most 255 bytes for match"),
        (PLACE + '[variable.mous]\nlike = "[9-0]"\n', "letters in their order, as in [a-z] for like"),
        (PLACE + '[variable.mous]\nlike = ""\n', "of which none is empty, . or .. for like"),
        (PLACE + '[[check]]\nalike = ["a/b"]\nin = "qa"\nwhat = "x"\n', "alike of names, without a /"),
        (PLACE + '[[check]]\nproject = ["a/b"]\n', "project of names, without a /"),
        (PLACE + '[[check]]\nabsent = ["/a"]\nwhat = "x"\n', "of which none is empty, . or .. for absent"),
        (PLACE + '[[check]]\nwithout = "a/b"\nwhat = "x"\n', "texts that no name may have, but some could found a/b"),
        (PLACE + '[[check]]\nlongest = 9\nbut = "/a"\nwhat = "x"\n', "paths in the member for but found /a"),
        (
            PLACE + '[[check]]\nlongest = 9\nbut = "qa/a"\nwhat = "x"\n',
            "the check wants them found qa/a in [[check]] 1",
        ),
        (PLACE + '[[check]]\nletters = "a"\nbut = ["A", "a"]\nwhat = "x"\n', "found a in [[check]] 1, line 9"),
        (PLACE + '[[check]]\nletters = "a"\nbut = "qua/A"\nwhat = "x"\n', "one of the folders qa, raw found qua in"),
        (
            RULE.replace("*.txt", "a[ab") + 'to = "qa/{name}"\n',
            "closed brackets, as [ab] (the letters themselves are [[] and []]) for match",
        ),
        (RULE.replace("*.txt", "ab]") + 'to = "qa/{name}"\n', "for match found ab] in [[rule]] 1, line 9"),
        (RULE.replace("*.txt", "a[]b") + 'to = "qa/{name}"\n', "for match found a[]b in [[rule]] 1, line 9"),
        (RULE.replace("*.txt", "a[!]b") + 'to = "qa/{name}"\n', "for match found a[!]b in [[rule]] 1, line 9"),
        (RULE.replace("*.txt", "**.txt") + 'to = "qa/{name}"\n', "one * in a name (** stands for folders, alone"),
        (PLACE + '[[place]]\nname = "in"\npath = "a/targets**"\n', "for path found targets** in [[place]] 2, line 9"),
        (PLACE + '[[place]]\nname = "in"\nmarked_by = "[a"\n', "for marked_by found [a in [[place]] 2, line 9"),
        (PLACE + '[variable.mous]\nlike = "[a"\n', "for like found [a in [variable.mous], line 9"),
        (PLACE + '[[foreign]]\nglobs = ["**"]\nreason = "x"\n', "for globs found ** in [[foreign]] 1, line 9"),
        (PLACE + '[[check]]\nabsent = ["a/b**"]\nwhat = "x"\n', "for absent found b** in [[check]] 1, line 9"),
        (PLACE + '[[check]]\nholds = "[x"\nwhat = "x"\n', "for holds found [x in [[check]] 1, line 9"),
        (PLACE + '[[check]]\nlisted_in = "*"\nelements = "a:b"\nwhat = "x"\n', "without their namespaces found a:b"),
        (PLACE + '[[check]]\nlaks = "*"\nwhat = "x"\n', "found laks (did you mean lacks?), what in [[check]] 1"),
        (PLACE + '[[folder]]\nname = "qa"\n', "a name that no other [[folder]] has found qa in [[folder]] 3, line 9"),
        (PLACE + '[[folder]]\nname = "README"\n', "found folder README in [[folder]] 3, line 9"),
        (PLACE + '[[place]]\nname = "in"\nmarked_by = []\n', "a pattern or more for marked_by"),
        (PLACE + '[[place]]\nname = "in"\nno_prefix = "a"\n', "prefix beside no_prefix"),
        (RULE + 'to = "README"\n', "readme = false at the top, because each member has a README found a rule"),
        (QA + 'if_taken = "README"\n', "readme = false at the top, because each member has a README found a rule"),
        (PLACE + '[[write]]\nto = "../{project}"\ntext = ""\n', "not its own found ../{project} in [[write]] 1"),
        (PLACE + '[[write]]\nto = "../{project}.pack"\ntext = ""\n', "not its own found ../{project}.pack in"),
        (PLACE + '[[write]]\nto = "qa"\ntext = ""\n', "another name than one has, for to found qa"),
        (
            PLACE + '[[write]]\nto = "qa/a"\ntext = ""\n[[write]]\nto = "qa/a"\ntext = ""\n',
            "no other [[write]] has found qa/a in [[write]] 2, line 12",
        ),
        (PLACE + '[[write]]\nto = "qa/a/b"\ntext = ""\n[[write]]\nto = "qa/a"\ntext = ""\n', "as qa/a/b would"),
        (PLACE + '[[write]]\nto = "qa/a.tgz!b"\ntext = ""\n', "a written file goes into no bundle found qa/a.tgz!b"),
        (QA + 'kind = "file"\ncolumn = "DATA"\n', "kind table or tree or any beside column found file"),
        (QA + 'kind = "tree"\nempty = true\n', "kind file or any beside empty found tree"),
        (QA + 'kind = ""\n', "one of any, file, tree, table found"),
        (QA + 'colum = "DATA"\n', "found colum (did you mean column?) in [[rule]] 1, line 9"),
        (QA + 'column = "DATA"\nagain = { to = "qa/a", colum = "DATA" }\n', "found colum (did you mean column?)"),
        ("colour = 1\n" + QA, "found colour in line 1"),
        (QA + "[[rul]]\n", "found rul (did you mean rule?) in line 12"),
        ("\ntree = 7\n" + QA, "text for tree found a number in line 2"),
        ('tree = "a//b"\n' + QA, "for tree found a//b in line 1"),
        (
            '[[place]]\nname = "run"\nmarked_by = "*.lst"\nneeded = true\n[[place]]\nname = "night"\npath = "n*"\n',
            'inside = "run", because below a marked folder only places inside it are looked for found no inside for',
        ),
        ('tree = "{member}"\n' + QA, "a name beside {member} in tree, because the first folder has no number found"),
        (
            'tree = "a/.{member}"\n' + QA,
            "has no number found a/.{member} in line 1",
        ),
        ('tree = "{group}/a{member}"\n' + QA, "a name beside {group} in tree"),
        ('tree = "a{member}{member}"\n' + QA, "folders with one counter at most"),
        (
            PLACE + '[variable.mous]\ndefault = ""\n',
            "a default, or no such key found an empty text in",
        ),
        (PLACE + '[[check]]\nlongest = 256\nwhat = "x"\n', "a whole number from 1 to 255 for longest found a number"),
        (PLACE + '[[check]]\nlongest = 99999999999999999999\nwhat = "x"\n', "a whole number from 1 to 255"),
        (QA + "\udcff", "bytes that are not UTF-8 (at line 12)"),
        (QA + "a." * 500, "dots (at line 12)"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    problem = problem_of(tmp_path, text)
    assert problem.code is Code.UNKNOWN_LAYOUT
    assert named in f"{problem.expected} found {problem.found}"


def test_refusal_names_the_table_by_its_line(tmp_path: Path) -> None:
    text = QA + '\n# [[rule]]\n  [[ "rule" ]] # mine\nmatch = "*"\nto = "raws/{name}"\n'
    assert problem_of(tmp_path, text).found == "raws in [[rule]] 2, line 14"


def test_line_is_left_out_where_it_is_not_known(tmp_path: Path) -> None:
    text = (
        'name = """\n[[rule]]\n"""\n'
        'rule = [{match = "a", to = "qa/{name}"}, {match = "a", to = "raws/{name}"}]\n' + PLACE
    )
    assert problem_of(tmp_path, text).found == "raws in [[rule]] 2"


def test_refusal_has_the_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(RULE)
    with pytest.raises(Refused) as refused:
        load_layout("mine.toml")
    assert refused.value.problems[0].path == os.fsencode(tmp_path / "mine.toml")


@pytest.mark.parametrize("text", ["x = " + "[" * 100_000, "x = " + "{a = " * 100_000])
def test_layout_that_is_nested_without_end_is_refused(tmp_path: Path, text: str) -> None:
    assert problem_of(tmp_path, text).code is Code.UNKNOWN_LAYOUT


@pytest.mark.parametrize("text", ["a." * 500 + "a = 1", "[" + "'a'." * 500 + "a]"])
def test_layout_with_a_name_of_very_many_parts_is_refused_before_it_is_taken_apart(tmp_path: Path, text: str) -> None:
    assert "dots" in str(problem_of(tmp_path, text).found)


@pytest.mark.parametrize("quotes", ['"""', "'''"])
def test_text_over_several_lines_that_looks_like_a_table_is_none(tmp_path: Path, quotes: str) -> None:
    text = PLACE.replace("[[place]]", "[[place]]\nwhat = " + quotes + "\n[[rule]]\n" + quotes)
    lines = problem_of(tmp_path, text + "[[rule]]\ncolour = 1\n").found
    assert lines == "colour in [[rule]] 1, line 12"
    inline = "rule = [{colour = 1}]\n" + text
    assert problem_of(tmp_path, inline).found == "colour in [[rule]] 1"


@pytest.mark.parametrize(
    "text",
    [
        RULE.replace("*.txt", "[]a][!]b][[][*][**]") + 'to = "qa/{name}"\n',
        PLACE + '[[check]]\nabsent = ["a/**/b", "**/c"]\nwhat = "x"\n',
        PLACE + '[[check]]\nletters = "a"\nbut = ["README", "qa/B"]\nwhat = "x"\n',
        RULE + 'to = "{top}/{name}"\n[[check]]\nletters = "a"\nbut = ["any/B"]\nwhat = "x"\n',
        RULE + 'to = "{path}"\n[[check]]\nletters = "a"\nbut = ["any/B"]\nwhat = "x"\n',
        PLACE + '[[write]]\nto = "{uid}/x"\ntext = ""\n[[check]]\nletters = "a"\nbut = ["any/B"]\nwhat = "x"\n',
    ],
)
def test_what_looks_like_a_mistake_and_is_none_is_loaded(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    load_layout(str(tmp_path / "mine.toml"))


def test_layout_of_the_program_is_loaded_once_and_a_file_whenever_it_is_asked_for(tmp_path: Path) -> None:
    assert load_layout("cycle0") is load_layout("cycle0")
    path = tmp_path / "mine.toml"
    path.write_text(layout_text("cycle0"))
    before = load_layout(str(path))
    path.write_text(layout_text("as-is"))
    assert load_layout(str(path)).rules != before.rules
