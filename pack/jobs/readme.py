"""Readme: the work of giving a member another README, with the ticket files and the manifest that hold it."""

import re
import time

from qa2pack.executor.apply import Applied, ApplyOptions
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import member_named
from qa2pack.manifest.alma.package import README, check_not_lost
from qa2pack.manifest.alma.readme import header_of, header_template
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.plan.plan_header import read_header_file, read_packaged_readme
from qa2pack.manifest.plan.rebuild import NewReadme, plan_rebuild
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.pack import PROGRAM
from qa2pack.pack.jobs.change import change
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.jobs.members import chosen_members, members_of, usable_manifest
from qa2pack.pack.jobs.read import existing_package
from qa2pack.pack.target import Target


@dataclass(frozen=True, slots=True)
class ReadmeChange:
    """What to do with the README of a member.

    Attributes:
        header: absolute path of a file with another header; empty keeps the present one.
        fields: names of fields of the header, each with its new value.
        is_taken: take over what was changed in the README of the package by hand.
    """

    header: bytes = b""
    fields: tuple[tuple[bytes, bytes], ...] = ()
    is_taken: bool = False


def change_readme(
    target: Target, wanted: bytes, asked: ReadmeChange, workers: Workers, options: ApplyOptions
) -> Applied:
    """Give the member another README; raises as `jobs.change.change`.

    Args:
        wanted: name of the member; empty if there is only one.
    """
    state = existing_package(target)
    check_not_lost(state, wanted)
    name = member_named(state.members, wanted)
    (member,) = chosen_members(state, members_of(state, target.opened), name)
    manifest = usable_manifest(member)
    readme = _new_readme(target, manifest, asked)
    return change(
        target.package,
        lambda: plan_rebuild(
            target.package, manifest, target.opened, readme=readme, program=PROGRAM, now_ns=time.time_ns()
        ),
        options,
        workers,
        target.opened,
    )


def _new_readme(target: Target, manifest: Described, asked: ReadmeChange) -> NewReadme:
    header = manifest.header
    if not (header.readme or header.is_of_unknown_layout or any(file.template for file in header.written)):
        raise Refused(Problem(Code.NO_README, target.package.member(header.member)))
    if asked.header:
        text = read_header_file(asked.header)
    elif asked.is_taken:
        text = header_of(read_packaged_readme(join(target.package.member(header.member), README)), header.project)
    else:
        _check_unchanged(target, manifest)
        text = (header.made_with.readme_header if header.made_with else b"") or (
            header_of(header.readme, header.project) if header.readme else header_template()
        )
    for name, value in asked.fields:
        text = _with_field(text, name, value)
    return NewReadme(text, b"" if asked.fields else asked.header)


def _check_unchanged(target: Target, manifest: Described) -> None:
    """Refuse to lose what was changed in the README by hand."""
    path = join(target.package.member(manifest.header.member), README)
    if (
        manifest.header.mode is not Mode.FAKE
        and is_there(path)
        and read_packaged_readme(path) != manifest.header.readme
    ):
        raise Refused(Problem(Code.CHANGED, path), remedies=_TAKE)


_TAKE = (
    Remedy("To keep what was changed by hand, add --take-changes; to give it up, give the header: --header FILE."),
)


def _with_field(text: bytes, name: bytes, value: bytes) -> bytes:
    """Return the header with this value in the first field of the name.

    Raises:
        Refused: the header has no such field.
    """
    field = re.compile(rb"^([ \t]*" + re.escape(name) + rb"[ \t]*:)[^\r\n]*", re.MULTILINE | re.IGNORECASE)
    changed, count = field.subn(lambda match: match[1] + b" " + value, text, count=1)
    if not count:
        known = ", ".join(map(shown, re.findall(rb"^[ \t]*(\w[\w ]*):", text, re.MULTILINE)))
        raise Refused(Problem(Code.UNKNOWN_FIELD, name, f"one of {known}" if known else "a header with fields"))
    return changed
