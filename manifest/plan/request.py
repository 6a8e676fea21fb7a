"""What a user asks for when planning: made once from the command line or the old call, then only read."""

from dataclasses import dataclass

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.split_spec import Weights
from qa2pack.manifest.layout.include import Include


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Everything that decides a plan, apart from the disk and the clock.

    Attributes:
        origin, package: absolute paths; the origin with its links resolved.
        readme: path of the README header file; None takes the template.
        include: globs with a role that go before all rules.
        layout: name of a layout that comes with the program, or path of a layout file.
        is_rehashing: read every file, whatever is known of it.
        is_forced: replace a destination that is no package, or one that has no control folder, and files where the
            ticket files go.
        is_splitting: drop data columns from measurement sets; otherwise all columns are packaged.
        weights: by what rule weights by channel follow where columns are dropped.
        is_as_is: package tables whole that casacore cannot open.
        may_leave: follow links that lead out of the origin.
        is_strict: refuse where otherwise a warning is given.
        program: name and version of what asks, for the record.
        is_compared: the plan is only looked at, never applied, so it does not matter what may be written.
        typed_globs: those of include and exclude that a person typed for this plan: each should match something.
    """

    origin: bytes
    package: bytes
    readme: bytes | None = None
    append: Append = Append.NOTHING
    mode: Mode = Mode.FAKE
    include: tuple[Include, ...] = ()
    exclude: tuple[str, ...] = ()
    layout: str = "cycle0"
    is_rehashing: bool = False
    is_forced: bool = False
    is_splitting: bool = True
    weights: Weights = Weights.CONSISTENT
    is_as_is: bool = False
    may_leave: bool = False
    is_strict: bool = False
    program: str = "qa2pack"
    is_compared: bool = False
    typed_globs: tuple[str, ...] = ()
