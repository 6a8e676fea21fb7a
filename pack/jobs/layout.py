"""Layout: the work of finding the rules of a layout, listing those there are, and trying one on an origin."""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import InlineEngine
from qa2pack.manifest.layout.check import Say
from qa2pack.manifest.layout.fitting import fitting_layouts
from qa2pack.manifest.layout.given import given_values
from qa2pack.manifest.layout.load import is_layout_path, known_layouts, layout_text, load_layout
from qa2pack.manifest.layout.member_checks import Found, found_by_checks, path_checks
from qa2pack.manifest.layout.place import choose, opened_bundles
from qa2pack.manifest.layout.rules import Layout
from qa2pack.manifest.layout.survey import survey
from qa2pack.manifest.layout.usage import Usage, usage_of
from qa2pack.manifest.plan.extracted import insides_of
from qa2pack.manifest.plan.origin_checks import member_paths, read_source
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.scan.origin_bundle import read_origin_bundles

# What stands for the project code in names; a check has no package.
_SOME_PROJECT = b"PROJECT"


@dataclass(frozen=True, slots=True)
class Checked:
    """A layout that was loaded, and what it makes of an origin.

    Attributes:
        given: its name, or the absolute path of its file.
        origin: absolute path; empty if there is none.
        usage: None without an origin.
        found: what each check of the member finds in what would be packaged.
    """

    given: bytes
    layout: Layout
    origin: bytes = b""
    usage: Usage | None = None
    found: tuple[Found, ...] = ()

    @property
    def is_refused(self) -> bool:
        """Whether a plan of the origin would be refused."""
        is_failed = any(each.problems and each.check.say is Say.REFUSE for each in self.found)
        return is_failed or (self.usage is not None and bool(self.usage.problems))


def layout(name: str) -> str:
    """Return the text of a layout that comes with the program.

    Raises:
        Refused: there is no layout of this name.
    """
    if name not in known_layouts():
        raise Refused(Problem(Code.UNKNOWN_LAYOUT, os.fsencode(name), ", ".join(known_layouts())))
    return layout_text(name)


def layouts() -> tuple[Layout, ...]:
    """Return the layouts that come with the program, sorted by name."""
    return tuple(map(load_layout, known_layouts()))


def check(name: str, origin: bytes = b"", values: Sequence[tuple[str, str]] = ()) -> Checked:
    """Load a layout, and try its rules on an origin.

    Names and sizes are read, lists that are checked, and bundles that rules take files out of.

    Args:
        name: of a layout that comes with the program, or the path of a layout file.
        origin: absolute path, symlinks resolved; empty for none.
        values: of variables; the last one of a name counts.

    Raises:
        Refused: the layout is not valid, a value is not or is missing, or the origin cannot be read.
    """
    loaded = load_layout(name)
    given = os.fsencode(os.path.abspath(name) if is_layout_path(name) else name)
    if not origin:
        return Checked(given, loaded)
    known = given_values(dict(values).items(), loaded, given_as=name, project=_SOME_PROJECT)
    layout = loaded.with_given(known)
    tree = survey(origin, opaque=layout.is_opaque)
    choice = choose(tree, layout, origin_path=origin, given=known)
    bundles = read_origin_bundles(origin, opened_bundles(tree, choice), InlineEngine())
    choice = replace(choice, insides=insides_of(bundles.values()))
    usage = usage_of(tree, choice, origin)
    found = found_by_checks(
        path_checks(loaded.checks),
        member_paths(usage.placement, choice),
        partial(read_source, origin, usage.placement),
    )
    unread = (each.problem for each in bundles.values() if each.problem)
    usage = replace(usage, problems=(*unread, *usage.problems))
    return Checked(given, loaded, origin, _with_fitting(usage, name, origin), found)


def _with_fitting(usage: Usage, name: str, origin: bytes) -> Usage:
    """Return the usage; where no needed place is there, with the layouts whose places are."""
    if all(problem.code is not Code.NO_PLACE for problem in usage.problems):
        return usage
    return replace(usage, problems=(*usage.problems, *fitting_layouts(origin, besides=name)))
