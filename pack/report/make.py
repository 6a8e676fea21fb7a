"""Write the report of a package: one page, or several where that would be too large."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.io.output_file import write_output
from qa2pack.executor.transaction.history import read_history
from qa2pack.manifest.alma.member_ids import folder_of as member_folder
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.presence import is_folder, is_there
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.progress import SteadyProgress, steady
from qa2pack.manifest.signature.signature import NOBODY, Trust, Verifier, signature_problems
from qa2pack.manifest.verify.package import verify_package
from qa2pack.manifest.verify.signatures import signatures_of
from qa2pack.pack.audit.last import LastAudit, last_audit
from qa2pack.pack.jobs.engines import Workers, started_engine
from qa2pack.pack.jobs.members import Member, members_of
from qa2pack.pack.jobs.read import existing_package, held
from qa2pack.pack.named_path import path_problem
from qa2pack.pack.protected_paths import folder_missing, folder_of, protected_place
from qa2pack.pack.report.bundles import INSIDE_BYTES, INSIDE_OF_MEMBER_BYTES, Room
from qa2pack.pack.report.deliveries import deliveries_in
from qa2pack.pack.report.embed import OF_ALL_MEMBERS, OF_EACH_MEMBER, Budget, Limits
from qa2pack.pack.report.members import Part, member_part
from qa2pack.pack.report.page import Page, Verified
from qa2pack.pack.report.page_set import (
    MOST_ON_ONE_PAGE,
    Total,
    folder_of_pages,
    is_report,
    one_page,
    remove_earlier,
    write_member,
    write_page_set,
)
from qa2pack.pack.target import Target
from qa2pack.pack.views.signatures import signature_words

_Section = tuple[Part, Verified]


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What is options of the report.

    Attributes:
        output: the page; None is beside the package.
        delivery: folder of the tar files; None is the folder that holds the package.
        has_full_verify: all content is compared, not only names, types and sizes.
        trust: whose signatures are wanted.
        catalogue: of the audits; empty for none.
        has_own_catalogue: it is that of the user, which need not be there.
    """

    output: bytes | None = None
    delivery: bytes | None = None
    has_full_verify: bool = False
    trust: Trust = NOBODY
    catalogue: bytes = b""
    has_own_catalogue: bool = True


@dataclass(frozen=True, slots=True)
class Written:
    """A page that was written.

    Attributes:
        path: of the page; of several pages the one that leads to all others.
        folder: of all other pages, and of pictures that are files; empty where there is one page alone.
        picture_count: pictures on the pages.
        picture_file_count: pictures that are files, as no page has room for them.
        problem_count: differences between the package and its manifests.
        audit: the last one; None where no catalogue has the package.
    """

    path: bytes
    folder: bytes
    page_count: int
    byte_count: int
    picture_count: int
    picture_file_count: int
    problem_count: int
    audit: LastAudit | None


def write_report(target: Target, options: ReportOptions, workers: Workers) -> Written:
    """Verify the package and write its report.

    Raises:
        Refused: the page, or the folder of further pages, cannot go where it is wanted; or the catalogue
            cannot be used.
        Refused, UnfinishedError, LockedError: as `existing_package` and `held`.
        KeygenMissingError: there is no ssh-keygen, and known signers are wanted.
    """
    with closing(Verifier(options.trust)) as verifier:
        return _written(target, options, workers, verifier)


def _written(target: Target, options: ReportOptions, workers: Workers, verifier: Verifier) -> Written:
    package = target.package
    output = _place(package, options)
    folder = folder_of_pages(output, package)
    state = existing_package(target)
    audit = last_audit(package, options.catalogue, is_wanted=not options.has_own_catalogue)
    with held(package):
        signed = signatures_of(package, target.opened, verifier)
        words = {each.member: signature_words(each.signed, options.trust) for each in signed}
        wrong = [problem for each in signed for problem in signature_problems(each.signed, options.trust)]
        with started_engine(workers, reads=(package.path,)) as engine:
            problems = verify_package(
                package,
                target.opened,
                is_quick=not options.has_full_verify,
                engine=engine,
                progress=workers.progress,
                sums={each.member: each.sums for each in signed if each.sums},
            )
            # What was warned of is shown with each member.
            damage = (*wrong, *(problem for problem in problems if not problem.code.is_warning))
            verified = Verified(damage, options.has_full_verify, time.time_ns())
        members = members_of(state, target.opened)
        limits = OF_EACH_MEMBER if len(members) > MOST_ON_ONE_PAGE else OF_ALL_MEMBERS
        page = Page(
            project=shown(package.project),
            path=shown(package.path),
            verified=verified,
            audit=audit,
            members=(),
            limits=limits,
            history=read_history(package),
            deliveries=deliveries_in(
                package.parent if options.delivery is None else options.delivery, package.project, verifier
            ),
        )
        counted = _Counted(steady(workers.progress), len(members))
        sections = _sections(package, members, verified, words, limits)
        total = _write_pages(output, folder, page, sections, counted)
    return Written(
        path=output,
        folder=folder if total.page_count > 1 or total.picture_file_count else b"",
        page_count=total.page_count,
        byte_count=total.byte_count,
        picture_count=total.picture_count,
        picture_file_count=total.picture_file_count,
        problem_count=len(verified.problems),
        audit=audit,
    )


@dataclass(frozen=True, slots=True)
class _Counted:
    """Progress of phases that each go over all members."""

    progress: SteadyProgress
    member_count: int

    def sections(self, phase: str, sections: Iterable[_Section]) -> Iterator[_Section]:
        """Yield the sections, each counted as soon as the next one is wanted."""
        self.progress.phase(phase, file_count=self.member_count)
        for section in sections:
            yield section
            self.progress.advance(file_count=1)
        self.progress.end()


def _write_pages(output: bytes, folder: bytes, page: Page, sections: Iterable[_Section], counted: _Counted) -> Total:
    """Write one page if all fits on it; else one for each member, and an index if there are several.

    Args:
        page: without sections; its limits are those of all members on one page only if these are few.
    """
    if page.limits.of_each:
        return write_page_set(Disk(), output, folder, page, counted.sections("write pages", sections))
    few = list(counted.sections("read members", sections))
    whole = replace(page, members=tuple(part for part, _ in few))
    if (data := one_page(whole)) is not None:
        write_output(Disk(), output, [data], is_replacing=True)
        remove_earlier(Disk(), folder, page.verified.at_ns)
        return Total(1, len(data), whole.picture_count)
    if len(few) == 1:
        return write_member(Disk(), output, folder, whole)
    return write_page_set(Disk(), output, folder, page, counted.sections("write pages", few))


def _sections(
    package: Package,
    members: Iterable[Member],
    verified: Verified,
    words: Mapping[bytes, str],
    limits: Limits,
) -> Iterator[_Section]:
    """Yield the section of each member, one at a time, with the problems of that member."""
    budget, room = _rooms(limits)
    for member in members:
        if limits.of_each:
            budget, room = _rooms(limits)
        below = join(member_folder(member.path), b"")
        own = tuple(each for each in verified.problems if (each.path + b"/").startswith(below))
        part = member_part(package, member, own, words.get(member.path, ""), budget=budget, room=room)
        yield part, replace(verified, problems=own)


def _rooms(limits: Limits) -> tuple[Budget, Room]:
    inside = INSIDE_OF_MEMBER_BYTES if limits.of_each else INSIDE_BYTES
    return Budget(limits.picture_bytes, limits.text_bytes), Room(inside)


def _place(package: Package, options: ReportOptions) -> bytes:
    """Return the path of the page.

    Raises:
        Refused: the path is protected, another file that is not a report is there, or a folder does not exist.
    """
    wanted = package.path + b".report.html" if options.output is None else options.output
    output = os.path.join(folder_of(wanted), os.path.basename(os.path.abspath(wanted)))
    if kept := protected_place(output, package):
        raise Refused(Problem(Code.OUTPUT_PROTECTED, output, found=f"a place in {kept}"))
    if not is_folder(os.path.dirname(output)):
        parent = os.path.dirname(output)
        raise folder_missing(parent)
    if options.delivery is not None and not is_folder(options.delivery):
        raise Refused(path_problem(options.delivery, "the folder of the tar files"))
    if is_there(output) and not is_report(output):
        raise Refused(Problem(Code.OUTPUT_EXISTS, output, found="a file that is not a report"))
    return output
