"""Prometheus metrics of a shelf, in the text format that its node exporter collects from files.

https://prometheus.io/docs/instrumenting/exposition_formats/; names and units follow
https://prometheus.io/docs/practices/naming/. No metric has the time of its file: an alert compares the time of the
last run with the present.
"""

from collections.abc import Callable, Iterable, Iterator

from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Problem
from qa2pack.pack.audit.catalogue import Catalogue
from qa2pack.pack.audit.shelved import Shelved, Standing, Summary
from qa2pack.pack.audit.stock import failed_folders

MARK = b"# HELP qa2pack_audit_"  # a file that may be replaced begins so
_PREFIX = MARK.removeprefix(b"# HELP ").decode()


def metrics_blocks(
    summary: Summary, catalogue: Catalogue, unsearched: Iterable[Problem], *, now_ns: int
) -> Iterator[bytes]:
    """Yield the text, line by line; the shelf is read once for each metric, whose lines must be together.

    Args:
        unsearched: folders that could not be searched.
    """
    for line in _lines(summary, catalogue, len(failed_folders(unsearched)), now_ns):
        yield line.encode() + b"\n"


def _lines(summary: Summary, catalogue: Catalogue, failed_count: int, now_ns: int) -> Iterator[str]:
    yield from _head("last_run_timestamp_seconds", "When the last audit of the shelf ended.")
    yield f"{_PREFIX}last_run_timestamp_seconds {_seconds(now_ns)}"
    yield from _head("packages", "Packages of the shelf by what is known of them.")
    yield from (f'{_PREFIX}packages{{standing="{name}"}} {count}' for name, count in summary.counts.items())
    yield from _head("failed_folders", "Folders that could not be searched, but for those of others.")
    yield f"{_PREFIX}failed_folders {failed_count}"
    yield from _head("size_bytes", "Size of all packages of the shelf that are not gone.")
    yield f"{_PREFIX}size_bytes {summary.byte_count}"
    for name, text, value in _OF_PACKAGES:
        yield from _head(name, text)
        values = ((package.path, value(package)) for package in catalogue.shelf())
        yield from (
            f'{_PREFIX}{name}{{package="{_label(path)}"}} {each}' for path, each in values if each is not None
        )


def _verified(package: Shelved) -> str | None:
    return None if package.verified_ns is None else _seconds(package.verified_ns)


_OF_PACKAGES: tuple[tuple[str, str, Callable[[Shelved], object]], ...] = (
    ("package_size_bytes", "Size of a package, as its manifests say.", lambda package: package.byte_count),
    ("package_verified_timestamp_seconds", "When all of a package was compared last.", _verified),
    (
        "package_problems",
        "Problems that the last verification of a package found.",
        lambda package: None if package.standing is Standing.UNVERIFIED else package.problem_count,
    ),
    (
        "package_wrong",
        "Whether somebody should look at a package: it has problems, could not be verified, or is gone.",
        lambda package: int(package.standing.is_wrong),
    ),
)


def _head(name: str, text: str) -> Iterator[str]:
    yield f"# HELP {_PREFIX}{name} {text}"
    yield f"# TYPE {_PREFIX}{name} gauge"


def _seconds(at_ns: int) -> str:
    return f"{at_ns // 10**9}.{at_ns % 10**9 // 10**6:03}"


def _label(path: bytes) -> str:
    return shown(path).replace("\\", "\\\\").replace('"', '\\"')
