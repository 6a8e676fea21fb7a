"""Images that are made of others: a folder with a small file that names them, and no pixels of its own.

A concatenation (of `ia.imageconcat` in a virtual mode, or of a parallel `tclean`) names its parts as a table names
others. An expression may name images anywhere in it, and casacore looks for these from where a program was started:
it holds nowhere but here. The files are those of casacore's `ImageConcat.tcc` and `ImageExpr.tcc`.
"""

from qa2pack.manifest.casa.table_dat import TableNames
from qa2pack.manifest.fs.control_file import LARGE_BYTES, ControlFileError, read_control
from qa2pack.manifest.fs.presence import real_path
from qa2pack.manifest.path import join, shown

_CONCATENATION, _EXPRESSION = b"imageconcat.json", b"imageexpr.json"
IMAGE_FILES = frozenset({_CONCATENATION, _EXPRESSION})


def read_image_names(image: bytes) -> TableNames:
    """Return what the image in a folder says of others; nothing if it cannot be understood.

    Raises:
        OSError: it cannot be read.
    """
    parts = _field(join(image, _CONCATENATION), "Images")
    if isinstance(parts, list) and parts:
        return TableNames(images=tuple(_bytes(part) for part in parts if isinstance(part, str)))
    expression = _field(join(image, _EXPRESSION), "ImageExpr")
    if isinstance(expression, str) and expression:
        return TableNames(elsewhere=(f"pixels computed from other images: {shown(_bytes(expression))}",))
    return TableNames()


def _field(path: bytes, name: str) -> object:
    import json  # nearly no reduction has such an image

    try:
        data = read_control(real_path(path), limit_bytes=LARGE_BYTES)  # a link after a move
        fields = json.loads(data.decode(errors="surrogateescape"))
    except (FileNotFoundError, ControlFileError, ValueError, RecursionError):
        return None
    return fields.get(name) if isinstance(fields, dict) else None


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
