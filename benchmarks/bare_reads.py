"""What a plan of small files that answer late cannot do without: their list, and open, read, close, digest of each.

A bare prototype of the same calls, to be read beside the jobs of such files: a process for each processor, with 32
threads each that share nothing, and nothing is written. `python -m benchmarks.bare_reads late` does it once.
"""

import os
import sys
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor

import xxhash

_PROCESSES = len(os.sched_getaffinity(0))
_THREADS = 32


def digests(folders: list[str]) -> list[bytes]:
    """Return the digests of the files below these folders, read while others are listed; all of a process."""
    with ThreadPoolExecutor(_THREADS) as pool:
        reading: list[Future[bytes]] = []
        while folders:
            with os.scandir(folders.pop()) as listing:
                for entry in listing:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        reading.append(pool.submit(_digest, entry.path))
        return [each.result() for each in reading]


def _digest(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY)
    size = os.fstat(fd).st_size
    content = os.read(fd, size + 1)
    os.close(fd)
    return xxhash.xxh3_128_digest(content)


def main(folder: str) -> None:
    """Do it once; what is beside a single folder, above all others, is left out."""
    while len(folders := [entry.path for entry in os.scandir(folder) if entry.is_dir()]) == 1:
        folder = folders[0]
    with ProcessPoolExecutor(_PROCESSES) as pool:
        made = sum(map(len, pool.map(digests, (folders[part::_PROCESSES] for part in range(_PROCESSES)))))
    print(f"{made} digests")


if __name__ == "__main__":
    main(sys.argv[1])
