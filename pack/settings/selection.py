"""File selection options that `pack plan` and `pack diff` share: include, exclude, layout, columns, links."""

import os

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.bundle.gzip_format import USUAL_LEVEL
from qa2pack.manifest.casa.column_split import Weights
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.layout.given import parse_value
from qa2pack.manifest.layout.include import parse_include
from qa2pack.manifest.layout.load import is_layout_path
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.pack import PROGRAM


@dataclass(frozen=True, slots=True)
class Selection:
    """The options as given.

    Attributes:
        include: each `GLOB=ROLE`.
        values: each `NAME=VALUE`.
        no_split: no measurement set is split.
        casa_weights: weights by channel follow CASA's split (`--casa-weights`).
        compression: level of it in bundles, 1 to 9.
        typed: includes and excludes that were typed on the command line.
        typed_options: names of all options that were typed; the others are taken from a member that is made again.
            None takes nothing from there.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    layout: str = "cycle0"
    values: tuple[str, ...] = ()
    rehash: bool = False
    as_is: bool = False
    no_split: bool = False
    follow_outside: bool = False
    casa_weights: bool = False
    compression: int = USUAL_LEVEL
    typed: tuple[str, ...] = ()
    typed_options: frozenset[str] | None = None

    def request(
        self,
        origin: bytes,
        package: bytes,
        *,
        mode: Mode,
        append: Append,
        replaced: bytes = b"",
        readme: bytes | None = None,
        force: bool = False,
        strict: bool = False,
    ) -> PlanRequest:
        """Return the request of a plan.

        Args:
            replaced: name of the member that is replaced, with Append.REPLACE.

        Raises:
            Refused: an include names no role, or a value no variable.
        """
        return PlanRequest(
            origin=origin,
            package=package,
            readme=readme,
            append=append,
            replaced=replaced,
            mode=mode,
            include=tuple(map(parse_include, self.include)),
            exclude=self.exclude,
            layout=_lasting(self.layout),
            values=tuple(dict(map(parse_value, reversed(self.values))).items()),
            rehash=self.rehash,
            force=force,
            no_split=self.no_split,
            weights=Weights.CASA if self.casa_weights else Weights.CONSISTENT,
            as_is=self.as_is,
            follow_outside=self.follow_outside,
            compression=self.compression,
            strict=strict,
            program=PROGRAM,
            typed=self.typed_options,
            typed_globs=tuple(glob.rpartition("=")[0] if glob in self.include else glob for glob in self.typed),
        )


def _lasting(layout: str) -> str:
    """Return the name of a layout, or the absolute path of its file: it is kept with the package."""
    return os.path.abspath(layout) if is_layout_path(layout) else layout
