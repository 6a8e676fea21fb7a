"""Styles of the legacy call `QA_Packager(style=...)`: the layout of each; and the measurement sets of all styles.

The names are those of the old script. Any other layout can be given as the setting `layout`.
"""

from collections.abc import Mapping

from qa2pack.manifest.problem import Code, Problem, Refused

LAYOUTS: Mapping[str, str] = {
    "cycle0": "cycle0",
    **{f"cycle{cycle}-nopipe": "alma-manual" for cycle in range(2, 9)},
    "cycle3-pipe1": "alma-pipeline",
    **{f"cycle{cycle}-pipe": "alma-pipeline" for cycle in range(4, 12)},
}
# That of `manimgonly=True`, whatever later style the reduction has.
IMAGES_ALONE = "alma-imaging"
# What `noms=True` leaves out: names that measurement sets have in every style. The tables of their calibration begin
# with such a name and go on.
MEASUREMENT_SETS = ("*.ms", "*.mms", "*.ms.cal", "*.ms.split", "*.ms.split.cal", "*.ms.split_*.cal")


def layout_of_style(style: str, *, is_images_alone: bool = False) -> str:
    """Return the name of the layout of a style; empty for no style.

    Raises:
        Refused: there is no such style, or it has no packages of images alone.
    """
    known = [name for name in LAYOUTS if name != "cycle0" or not is_images_alone]
    if style and style not in known:
        found = str(style).encode("utf-8", "surrogateescape")
        beside = " beside manimgonly" if is_images_alone else ""
        raise Refused(Problem(Code.UNKNOWN_MODE, found, f"style= one of {', '.join(map(repr, known))}{beside}"))
    return IMAGES_ALONE if is_images_alone else LAYOUTS.get(style, "")
