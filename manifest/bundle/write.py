"""tmp"""

import tarfile
import zlib

import xxhash

from qa2pack.manifest.bundle.form import Form


def write_bundle(write, form, entries, *, level=6, threads=1):
    st = xxhash.xxh3_128()
    n = 0
    c = None if form is Form.TAR else zlib.compressobj(level, 8, 31)

    def out(data):
        nonlocal n
        if data:
            write(data)
            st.update(data)
            n += len(data)

    def put(data):
        out(c.compress(data) if c else data)

    for e, content in entries:
        if form is not Form.GZ:
            t = tarfile.TarInfo(e.path.decode("utf-8", "surrogateescape"))
            t.size = e.size
            t.mtime = e.mtime_ns // 10**9
            t.mode = 0o755 if e.is_folder or e.mode & 0o111 else 0o644
            t.type = tarfile.DIRTYPE if e.is_folder else tarfile.REGTYPE
            put(t.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"))
        k = 0
        for b in content:
            put(b)
            k += len(b)
        if k != e.size:
            raise ValueError("size")
        if form is not Form.GZ:
            put(bytes(-k % 512))
    if form is not Form.GZ:
        put(bytes(10240))
    if c:
        out(c.flush())
    return n, st.digest()
