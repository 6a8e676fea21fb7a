"""Plan request: all options of a plan, built once from the command line or the legacy call."""

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.bundle.gzip_format import USUAL_LEVEL
from qa2pack.manifest.casa.column_split import Weights
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.layout.include import Include


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Everything that a plan depends on, apart from the disk and the clock.

    Attributes:
        origin, package: absolute paths; the origin with its symlinks resolved.
        readme: path of the README header file; None for `readme_text`, and if that is None too, for the template.
        replaced: name of the member that is replaced, `group/member` or only the member's; with Append.REPLACE.
        include: globs with a role that override all rules.
        values: of variables of the layout, each with its name.
        layout: name of a layout that comes with the program, or path of a layout file.
        rehash: read every file and ignore the digest cache.
        force: replace a destination that is not a package, or has no control folder, and files with the names of
            the ticket files.
        no_split: package all data columns of measurement sets; otherwise some are dropped.
        weights: by what rule weights by channel follow where columns are dropped.
        as_is: package tables whole that casacore cannot open.
        follow_outside: follow symlinks that lead out of the origin.
        compression: level of it in bundles, 1 to 9.
        strict: refuse the plan where otherwise a warning is given.
        program: name and version of the calling program, for the record.
        is_compared: the plan is only for a diff and never applied, so write permissions are not checked.
        typed: names of the options that were typed for this plan; the others are taken from the member that is made
            again (see `manifest.plan.remembered_options`). None takes nothing from there.
        typed_globs: includes and excludes that were typed for this plan; each should match something.
    """

    origin: bytes
    package: bytes
    readme: bytes | None = None
    append: Append = Append.NOTHING
    replaced: bytes = b""
    readme_text: bytes | None = None
    typed: frozenset[str] | None = None
    mode: Mode = Mode.FAKE
    include: tuple[Include, ...] = ()
    exclude: tuple[str, ...] = ()
    layout: str = "cycle0"
    values: tuple[tuple[str, str], ...] = ()
    rehash: bool = False
    force: bool = False
    no_split: bool = False
    weights: Weights = Weights.CONSISTENT
    as_is: bool = False
    follow_outside: bool = False
    compression: int = USUAL_LEVEL
    strict: bool = False
    program: str = "qa2pack"
    is_compared: bool = False
    typed_globs: tuple[str, ...] = ()
