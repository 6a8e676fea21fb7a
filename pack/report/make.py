"""Write the report page of a package."""

import os
import time
from contextlib import closing

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.io.output_file import write_output
from qa2pack.executor.transaction.history import read_history
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.control_file import ControlFileError, opened_control
from qa2pack.manifest.fs.presence import is_folder, is_there
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.signature.signature import NOBODY, Trust, Verifier, signature_problems
from qa2pack.manifest.verify.package import verify_package
from qa2pack.manifest.verify.signatures import signatures_of
from qa2pack.pack.jobs.engines import Workers, started_engine
from qa2pack.pack.jobs.members import members_of
from qa2pack.pack.jobs.read import existing_package, held
from qa2pack.pack.protected_paths import folder_missing, folder_of, protected_place
from qa2pack.pack.report.deliveries import deliveries_in
from qa2pack.pack.report.members import member_parts
from qa2pack.pack.report.page import MARK, Page, Verified, render_page
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
    """

    output: bytes | None = None
    delivery: bytes | None = None
    has_full_verify: bool = False
    trust: Trust = NOBODY


@dataclass(frozen=True, slots=True)
class Written:
    """A page that was written.

    Attributes:
        path: of the page.
        problem_count: differences between the package and its manifests.
    """

    path: bytes
    byte_count: int
    picture_count: int
    problem_count: int


def write_report(target: Target, options: ReportOptions, workers: Workers) -> Written:
    """Verify the package and write the page.

    Raises:
        Refused: the page cannot go where it is wanted.
        Refused, UnfinishedError, LockedError: as `existing_package` and `held`.
        KeygenMissingError: there is no ssh-keygen, and known signers are wanted.
    """
    with closing(Verifier(options.trust)) as verifier:
        return _written(target, options, workers, verifier)


def _written(target: Target, options: ReportOptions, workers: Workers, verifier: Verifier) -> Written:
    package = target.package
    output = _place(package, options)
    state = existing_package(target)
    with held(package):
        signed = signatures_of(package, target.opened, verifier)
        words = {each.member: signature_words(each.signed, options.trust) for each in signed}
        wrong = [problem for each in signed for problem in signature_problems(each.signed, options.trust)]
        with started_engine(workers) as engine:
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
        page = Page(
            project=shown(package.project),
            path=shown(package.path),
            verified=verified,
            members=member_parts(package, members_of(state, target.opened), damage, words),
            history=read_history(package),
            deliveries=deliveries_in(
                package.parent if options.delivery is None else options.delivery, package.project, verifier
            ),
        )
        data = render_page(page).encode()
        write_output(Disk(), output, [data], is_replacing=True)
    return Written(output, len(data), page.picture_count, len(verified.problems))


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
    if is_there(output) and not _is_report(output):
        raise Refused(Problem(Code.OUTPUT_EXISTS, output, found="a file that is not a report"))
    return output


def _is_report(path: bytes) -> bool:
    try:
        with opened_control(path) as file:
            return file.read(len(MARK)) == MARK
    except ControlFileError:
        return False
