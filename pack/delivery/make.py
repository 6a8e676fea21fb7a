"""Write a delivery: cut a package into tars."""

import os
from dataclasses import dataclass

from qa2pack.manifest.alma.package import Package, read_state
from qa2pack.manifest.fs.immutable import mark_of
from qa2pack.manifest.fs.presence import is_folder, is_there, real_path
from qa2pack.manifest.path import is_within, join, shown
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.manifest.progress import Progress
from qa2pack.pack.delivery.view import ShownDelivery
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.jobs.members import check_delivered_whole
from qa2pack.pack.jobs.read import existing_package, reading
from qa2pack.pack.settings.option_source import Default
from qa2pack.pack.target import Target
from qa2pack.tarsplit.contents import choose_members
from qa2pack.tarsplit.deliver import Destination, deliver
from qa2pack.tarsplit.naming import DeliveryName
from qa2pack.tarsplit.output_files import make_folder
from qa2pack.tarsplit.packing.partition import Fill
from qa2pack.tarsplit.plan import Cut, CutRequest, plan_cut


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """Options of `pack tarsplit`.

    Attributes:
        defaults: the options that were not typed, with their source.
    """

    day: str
    limit_bytes: int
    checksums: tuple[str, ...]
    output: str
    member: str
    fill: Fill
    is_labelled: bool
    is_dry: bool
    allow_dummies: bool
    is_replacing: bool
    defaults: tuple[Default, ...] = ()


def write_delivery(target: Target, options: DeliveryOptions, workers: Workers) -> ShownDelivery:
    """Write the delivery, or only plan it in a dry run.

    Raises:
        Refused: the package cannot be cut like that; no tar was changed.
        OutputBusyError: another process writes this delivery.
    """
    package = target.package
    state = existing_package(target)
    check_delivered_whole(package, state, target.opened, os.fsencode(options.member))
    output = _output(package, options)
    if not options.is_dry:
        _check_can_be_written(output)
    lock = _lock(package, options, output) if workers.cluster and not options.is_dry else b""
    with reading(package, workers, output=output, lock=lock) as engine:
        cut = _plan(target, options, workers.progress)
        if options.is_dry:
            outcome = None
        else:
            destination = Destination(package.path, output, options.is_replacing)
            outcome = deliver(cut, destination, engine=engine, progress=workers.progress)
    return ShownDelivery(target, cut, outcome, output, options.defaults, tuple(state.lost.values()))


def _plan(target: Target, options: DeliveryOptions, progress: Progress) -> Cut:
    package = target.package
    members = choose_members(
        package,
        read_state(package),
        target.opened,
        wanted=os.fsencode(options.member),
        label_day=options.day if options.is_labelled else "",
        allow_dummies=options.allow_dummies,
    )
    name = DeliveryName(package.project, options.day)
    return plan_cut(CutRequest(name, options.limit_bytes, options.fill, options.checksums), members, progress)


def _lock(package: Package, options: DeliveryOptions, output: bytes) -> bytes:
    """Return the path of the lock against a second cluster run of this delivery; its folder exists."""
    make_folder(output)
    return join(output, b".%s_%s.lock" % (package.project, options.day.encode()))


def _output(package: Package, options: DeliveryOptions) -> bytes:
    output = real_path(os.fsencode(options.output))
    for folder in (package.path, package.control):
        if is_within(output, real_path(folder)):
            raise Refused(Problem(Code.OUTPUT_PROTECTED, output, found=f"a place in {shown(folder)}"))
    return output


_NAME_FOLDER = Remedy("Name a folder for the tars, which may not exist yet, with --output")


def _check_can_be_written(output: bytes) -> None:
    """Refuse an output that cannot become, or is not, a folder to write to; found before any file is read."""
    place = output
    while not is_there(place):
        place = os.path.dirname(place)
    if not is_folder(place):
        raise Refused(Problem(Code.OUTPUT_EXISTS, place, "a folder", "a file"), remedies=(_NAME_FOLDER,))
    mark = mark_of(place)
    if mark or not os.access(place, os.W_OK | os.X_OK):
        raise Refused(Problem(Code.NOT_WRITABLE, place, found=mark))
