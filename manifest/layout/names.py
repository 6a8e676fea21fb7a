"""Names inside a member: other paths for those that meet, and collisions.

Pure. The invariant: two sources never get one destination silently. Sources that still share a destination, or of
which one would be inside the other, are a COLLISION that names both.
"""

from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.inside import marked_path
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import shown, sort_key
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.quantity import Size

# The limit of the usual file systems of Linux.
NAME_LIMIT_BYTES = 255


@dataclass(frozen=True, slots=True)
class Claim:
    """A requested path in the member.

    Attributes:
        source: path in the origin, for messages.
        if_taken: the path where another claim wants the same; empty if it must not change.
        bundle: the path of the bundle that `path` is in, as if it were a folder; empty for what is in none.
        bundle_if_taken: that of `if_taken`.
    """

    source: bytes
    path: bytes
    if_taken: bytes = b""
    bundle: bytes = b""
    bundle_if_taken: bytes = b""

    def bundle_of(self, path: bytes) -> bytes:
        """Return the bundle that it goes into if it gets this path."""
        return self.bundle if path == self.path else self.bundle_if_taken


def settle_names(claims: Sequence[Claim]) -> tuple[tuple[bytes, ...], tuple[Problem, ...]]:
    """Return the path in the member of each claim.

    Where two or more claims want the same path, all of them that have another get that one.

    Returns:
        The paths in the order of the claims, and the problems: COLLISION (its path is the destination, with `!`
        behind a bundle that it is in, `expected` the first source, `found` the others) and NAME_TOO_LONG. Without a
        COLLISION the paths are distinct, none is inside another, and a bundle has only what is said to be in it;
        neither depends on the order of the claims.
    """
    wanted = _group([claim.path for claim in claims], claims)
    paths = tuple(
        claim.if_taken if claim.if_taken and len(wanted[claim.path]) > 1 else claim.path for claim in claims
    )
    owners = _group(paths, claims)
    bundles = {claim.bundle_of(path) for path, claim in zip(paths, claims, strict=True)}
    collisions = (*_collisions(owners), *_through_bundles(paths, claims))
    marked = (replace(problem, path=marked_path(problem.path, bundles)) for problem in collisions)
    return paths, (*marked, *_too_long(owners, bundles))


def _group(paths: Sequence[bytes], claims: Sequence[Claim]) -> dict[bytes, list[bytes]]:
    """Map each path to the sorted sources that want it, in the order of the paths."""
    owners: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for path, claim in zip(paths, claims, strict=True):
        owners[path].append(claim.source)
    return {path: sorted(owners[path]) for path in sorted(owners, key=sort_key)}


def _collisions(owners: dict[bytes, list[bytes]]) -> Iterator[Problem]:
    for path, (source, *others) in owners.items():
        if others:
            yield _collision(path, source, others)
        for ancestor in _ancestors(path):
            if ancestor in owners:
                yield _collision(ancestor, owners[ancestor][0], [source, *others])


def _through_bundles(paths: Sequence[bytes], claims: Sequence[Claim]) -> Iterator[Problem]:
    """Yield a problem for each path that goes through a bundle as if it were a folder, and is not of it."""
    rows = sorted((path, claim.source, claim.bundle_of(path)) for path, claim in zip(paths, claims, strict=True))
    first: dict[bytes, bytes] = {}
    for _, source, bundle in rows:
        first.setdefault(bundle, source)
    first.pop(b"", None)
    for path, source, bundle in rows if first else ():
        for ancestor in _ancestors(path):
            if ancestor in first and ancestor != bundle:
                yield _collision(ancestor, first[ancestor], [source])


def _ancestors(path: bytes) -> Iterator[bytes]:
    parts = path.split(b"/")
    for count in range(1, len(parts)):
        yield b"/".join(parts[:count])


def _collision(path: bytes, source: bytes, others: list[bytes]) -> Problem:
    return Problem(Code.COLLISION, path, expected=shown(source), found=", ".join(map(shown, others)))


def _too_long(owners: dict[bytes, list[bytes]], bundles: Container[bytes]) -> Iterator[Problem]:
    for path, sources in owners.items():
        longest = max(map(len, path.split(b"/")))
        if longest > NAME_LIMIT_BYTES:
            yield Problem(
                Code.NAME_TOO_LONG,
                sources[0],
                expected=Size(NAME_LIMIT_BYTES, bound="at most"),
                found=f"{counted(longest, 'byte')} in {shown(marked_path(path, bundles))}",
            )
