"""Write the report page of a package, or the pages of one of many members."""

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
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.signature.signature import NOBODY, Trust, Verifier, signature_problems
from qa2pack.manifest.verify.package import verify_package
from qa2pack.manifest.verify.signatures import signatures_of
from qa2pack.pack.audit.last import LastAudit, last_audit
from qa2pack.pack.jobs.engines import Workers, started_engine
from qa2pack.pack.jobs.members import Member, members_of
from qa2pack.pack.jobs.read import existing_package, held
from qa2pack.pack.protected_paths import folder_missing, folder_of, protected_place
from qa2pack.pack.report.deliveries import deliveries_in
from qa2pack.pack.report.members import Part, bounded_part, member_parts
from qa2pack.pack.report.page import Page, Verified
from qa2pack.pack.report.page_set import (
    MOST_ON_ONE_PAGE,
    Total,
    folder_of_pages,
    is_report,
    remove_earlier,
    whole_page,
    write_page_set,
)
from qa2pack.pack.target import Target
from qa2pack.pack.views.signatures import signature_words


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
        path: of the page; of a package of many members the index.
        folder: of the pages of members; empty where all are on one page.
        page_count: of the index and the pages of members; 1 where all are on one page.
        problem_count: differences between the package and its manifests.
        audit: the last one; None where no catalogue has the package.
    """

    path: bytes
    folder: bytes
    page_count: int
    byte_count: int
    picture_count: int
    problem_count: int
    audit: LastAudit | None


def write_report(target: Target, options: ReportOptions, workers: Workers) -> Written:
    """Verify the package and write the page, or an index and a page for each of many members.

    Raises:
        Refused: the page, or the folder of the pages of members, cannot go where it is wanted; or the catalogue
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
        page = Page(
            project=shown(package.project),
            path=shown(package.path),
            verified=verified,
            audit=audit,
            members=(),
            history=read_history(package),
            deliveries=deliveries_in(
                package.parent if options.delivery is None else options.delivery, package.project, verifier
            ),
        )
        if len(members) > MOST_ON_ONE_PAGE:
            parts = _parts_with_problems(package, members, verified, words)
            total = write_page_set(Disk(), output, folder, page, parts)
        else:
            page = replace(page, members=member_parts(package, members, damage, words))
            data = whole_page(page)
            write_output(Disk(), output, [data], is_replacing=True)
            remove_earlier(Disk(), folder, verified.at_ns)
            total = Total(1, len(data), page.picture_count)
    return Written(
        path=output,
        folder=folder if total.page_count > 1 else b"",
        page_count=total.page_count,
        byte_count=total.byte_count,
        picture_count=total.picture_count,
        problem_count=len(verified.problems),
        audit=audit,
    )


def _parts_with_problems(
    package: Package, members: Iterable[Member], verified: Verified, words: Mapping[bytes, str]
) -> Iterator[tuple[Part, Verified]]:
    """Yield the section of each member, one at a time, with the problems of that member."""
    for member in members:
        folder = member_folder(member.path)
        own = tuple(each for each in verified.problems if each.path == folder or each.path.startswith(folder + b"/"))
        part = bounded_part(package, member, own, words.get(member.path, ""))
        yield part, replace(verified, problems=own)


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
        raise Refused(Problem(Code.PATH_MISSING, options.delivery, "the folder of the tar files"))
    if is_there(output) and not is_report(output):
        raise Refused(Problem(Code.OUTPUT_EXISTS, output, found="a file that is not a report"))
    return output
