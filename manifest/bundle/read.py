"""tmp"""

import tarfile
import zlib

from qa2pack.manifest.bundle.entry import BundleEntry
from qa2pack.manifest.bundle.form import Form


class BundleError(ValueError):
    pass


class _R:
    def __init__(s, read, z):
        s.r = read
        s.z = zlib.decompressobj(31) if z else None
        s.b = b""

    def read(s, n=1 << 20):
        while len(s.b) < n:
            d = s.r(1 << 20)
            if not d:
                break
            if s.z:
                try:
                    d = s.z.decompress(d)
                except zlib.error as e:
                    raise BundleError(str(e))
            s.b += d
        a, s.b = s.b[:n], s.b[n:]
        return a


def read_bundle(read, form):
    r = _R(read, form is not Form.TAR)
    if form is Form.GZ:
        yield BundleEntry(b"", -1, 0, 0), iter(lambda: r.read(1 << 20), b"")
        return
    try:
        with tarfile.open(fileobj=r, mode="r|", encoding="utf-8", errors="surrogateescape") as t:
            for m in t:
                f = t.extractfile(m) if m.isfile() else None
                yield (
                    BundleEntry(
                        m.name.encode("utf-8", "surrogateescape"), m.size, m.mtime * 10**9, m.mode, m.isdir()
                    ),
                    (iter(lambda: f.read(1 << 20), b"") if f else iter(())),
                )
    except tarfile.TarError as e:
        raise BundleError(str(e))
