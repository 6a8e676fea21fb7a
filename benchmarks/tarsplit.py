"""Measure tarsplit beside the tools that people cut packages with, in turn, and print ratios.

    python benchmarks/tarsplit.py --dir FOLDER [--rounds 5] [--small 20000] [--big-gib 2]

Each round runs ours and the peer one after the other on the same warm package, as whole processes with two workers.
Ours compares every file with the manifest while it reads, which the peers do not, and takes md5 in a thread beside
each worker: where others use the processor too, look at its seconds as well. FOLDER should be on a journalled
disk or a tmpfs with room for three times the trees. Peers that are not installed are left out. Nothing outside
FOLDER is written.
"""

import argparse
import shutil
import sys
from pathlib import Path

from side_by_side import Job, _shell, measure, print_row, row_of

from trees import count_files, make_big, make_small

_TARSPLIT = f"{sys.executable} -m pack.tarsplit_command --quiet --jobs 2 -n 2012-06-20 --output out"
_CLEAN = "rm -rf out parts; mkdir out parts"


def jobs(limit_bytes: int) -> list[Job]:
    """Return the comparisons for tars of that size."""
    parts = f"fpart -s {limit_bytes} -o parts/p P > /dev/null 2>&1 && ls parts/p.* | xargs -P 2 -n 1 sh -c"
    tar = "tar -cf out/${0##*/}.tar --no-recursion -T $0"
    ours = f"{_TARSPLIT} --size {limit_bytes}"
    split = f"tar -cf - P | split -b {limit_bytes} - out/p"
    md5 = "ls out/p* | xargs -P 2 -n 1 md5sum > out/sums"
    return [
        Job("md5: fpart, tar", f"{ours} P", f"{parts} '{tar} && md5sum out/${{0##*/}}.tar > out/${{0##*/}}.md5sum'",
            0.85, ("fpart",), _CLEAN, _CLEAN),
        Job("no md5: fpart, tar", f"{ours} --checksum none P", f"{parts} '{tar}'", 0.7, ("fpart",), _CLEAN, _CLEAN),
        Job("md5: tar | split", f"{ours} P", f"{split} && {md5}", 0.85, (), _CLEAN, _CLEAN),
        Job("no md5: tar | split", f"{ours} --checksum none P", split, 1.0, (), _CLEAN, _CLEAN),
    ]  # fmt: skip


def main() -> int:
    """Measure on the trees that were asked for."""
    parser = argparse.ArgumentParser(description="Measure tarsplit beside other tools.")
    parser.add_argument("--dir", type=Path, required=True, help="an empty or new folder to work in")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--small", type=int, default=20_000, help="small files; 0 leaves that tree out")
    parser.add_argument("--big-gib", type=float, default=2, help="GiB in big files; 0 leaves that tree out")
    arguments = parser.parse_args()
    small, big = arguments.small, int(arguments.big_gib * 2**30)
    for tree, small_count, big_bytes in (("small", small, 0), ("big", 0, big), ("mixed", small // 2, big // 2)):
        if not small_count + big_bytes:
            continue
        folder = arguments.dir / tree
        folder.mkdir(parents=True)
        if small_count:
            make_small(folder, small_count)
        if big_bytes:
            make_big(folder / "more", big_bytes)
            shutil.copytree(folder / "more", folder, copy_function=shutil.move, dirs_exist_ok=True)
            shutil.rmtree(folder / "more")
        pack = f"{sys.executable} -m pack"
        _shell(folder, f"{pack} plan --quiet SB P --mode hard && {pack} apply --quiet P")
        print(f"{tree}: {count_files(folder / 'P')} files")
        limit = max(16 << 20, big_bytes // 4 + (1 << 20))
        for job in jobs(limit):
            missing = [program for program in job.needs if shutil.which(program) is None]
            if missing:
                print(f"{tree:<6} {job.name:<20} left out: {', '.join(missing)} is not installed")
                continue
            print_row(row_of(tree, job, measure(folder, job, arguments.rounds)))
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
