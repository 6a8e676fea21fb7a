"""What a plan of small files that answer late cannot do without: their list, and open, read, close, digest of each.

A bare prototype of the same calls, to be read beside the jobs of such files: a process for each processor, with 32
threads each that share nothing, and nothing is written. `python -m benchmarks.bare_reads late` does it once.
"""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import xxhash

_PROCESSES = len(os.sched_getaffinity(0))
_THREADS = 32


def digests(paths: list[str]) -> list[bytes]:
    """Return the digest of each file; all of a process."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(_digest, paths))


def _digest(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY)
    size = os.fstat(fd).st_size
    content = os.read(fd, size + 1)
    os.close(fd)
    return xxhash.xxh3_128_digest(content)


def _files(folder: str) -> Iterator[str]:
    for root, _, names in os.walk(folder):
        yield from (os.path.join(root, name) for name in names)


def main(folder: str) -> None:
    """Do it once."""
    paths = list(_files(folder))
    with ProcessPoolExecutor(_PROCESSES) as pool:
        made = sum(map(len, pool.map(digests, (paths[part::_PROCESSES] for part in range(_PROCESSES)))))
    print(f"{made} digests of {len(paths)} files")


if __name__ == "__main__":
    main(sys.argv[1])
