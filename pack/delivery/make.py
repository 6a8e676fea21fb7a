"""Write a delivery: cut a package into tars, or write its delivery sets."""

import os
from contextlib import nullcontext

from qa2pack.manifest.alma.package import Package, read_state
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.delivery_row import CHECKSUMS
from qa2pack.manifest.fs.immutable import mark_of
from qa2pack.manifest.fs.presence import is_folder, is_there, real_path
from qa2pack.manifest.path import is_within, shown
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.manifest.signature.ssh_keygen import check_key
from qa2pack.pack.delivery.lock import locked_delivery, made_lock
from qa2pack.pack.delivery.view import ShownDelivery
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.jobs.members import check_delivered_whole
from qa2pack.pack.jobs.read import existing_package, reading
from qa2pack.pack.settings.option_source import Default
from qa2pack.pack.target import Target
from qa2pack.tarsplit.contents import Delivered, choose_members
from qa2pack.tarsplit.deliver import Destination, deliver
from qa2pack.tarsplit.naming import SIGNED_CHECKSUM, DeliveryName
from qa2pack.tarsplit.packing.partition import Fill
from qa2pack.tarsplit.place.address import check_address
from qa2pack.tarsplit.place.folder import Folder
from qa2pack.tarsplit.place.place import Place
from qa2pack.tarsplit.place.store import Store
from qa2pack.tarsplit.plan import DEFAULT_LIMIT_BYTES, CutRequest, plan_cut
from qa2pack.tarsplit.sets import name_of_sets, with_sets


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """Options of `pack tarsplit` and `pack deliver`.

    Attributes:
        address: of the store that it is sent to; empty: it goes into the output folder.
        sets: names of the delivery sets that are wanted; none: all.
        is_of_sets: what the delivery sets of the members say is delivered, not all.
        key: file of the SSH key that signs the delivery; empty for none.
        is_taking_over: the run that the store names as the sender has ended.
        defaults: the options that were not typed, with their source.
    """

    day: str
    checksums: tuple[str, ...]
    output: str
    member: str
    fill: Fill
    is_dry: bool
    allow_dummies: bool
    is_replacing: bool
    address: str = ""
    limit_bytes: int = DEFAULT_LIMIT_BYTES
    is_labelled: bool = False
    sets: tuple[str, ...] = ()
    is_of_sets: bool = False
    key: bytes = b""
    is_taking_over: bool = False
    defaults: tuple[Default, ...] = ()


def write_delivery(target: Target, options: DeliveryOptions, workers: Workers) -> ShownDelivery:
    """Write the delivery, or only plan it in a dry run.

    Raises:
        Refused: the package cannot be cut like that; no tar was changed.
        OutputBusyError, StoreBusyError: another process writes this delivery.
    """
    package = target.package
    state = existing_package(target)
    if options.key:
        check_key(options.key)
    place = _place(package, options)
    check_delivered_whole(package, state, target.opened, os.fsencode(options.member))
    request, members = _request(target, options)
    destination = Destination(package.path, place, options.is_replacing, options.key, options.is_taking_over)
    lock = made_lock(request.name, place.folder) if workers.cluster and not options.is_dry else b""
    with reading(package, workers, output=place.path, lock=lock) as engine:
        cut = plan_cut(request, members, workers.progress)
        with nullcontext() if lock or options.is_dry else locked_delivery(request.name, place):
            outcome = None if options.is_dry else deliver(cut, destination, engine=engine, progress=workers.progress)
    lost = tuple(state.lost.values())
    return ShownDelivery(target, cut, outcome, place.path, options.defaults, lost, is_signed=bool(options.key))


def _place(package: Package, options: DeliveryOptions) -> Place:
    """Return where the delivery goes, checked as far as that can be done before anything is read."""
    if options.address:
        check_address(options.address, is_sent_to=True)
        store = Store(options.address)
        if store.folder:
            _check_outside(package, real_path(store.folder))
        if not options.is_dry:
            store.check()
        return store
    output = real_path(os.fsencode(options.output))
    _check_outside(package, output)
    if not options.is_dry:
        _check_can_be_written(output)
    return Folder(output)


def _request(target: Target, options: DeliveryOptions) -> tuple[CutRequest, list[Delivered]]:
    """Return what is to be delivered."""
    package = target.package
    members = choose_members(
        package,
        read_state(package),
        target.opened,
        wanted=os.fsencode(options.member),
        label_day=options.day if options.is_labelled else "",
        allow_dummies=options.allow_dummies,
    )
    if options.is_of_sets:
        needed = (SIGNED_CHECKSUM,) if options.key else ()
        members = with_sets(members, package.project, options.sets, day=options.day, checksums=needed)
        name = name_of_sets(members, package.project, options.sets, options.day)
    else:
        name = DeliveryName(package.project, options.day)
    return CutRequest(name, options.limit_bytes, options.fill, _checksums(options)), members


def _checksums(options: DeliveryOptions) -> tuple[str, ...]:
    """Return the checksums, of a signed delivery with one of which no forgery is known: md5 has been forged."""
    wanted = {*options.checksums, SIGNED_CHECKSUM} if options.key else {*options.checksums}
    return tuple(name for name in CHECKSUMS if name in wanted)


def _check_outside(package: Package, output: bytes) -> None:
    """Refuse a folder in the package, or in its control folder: what is put there would be no part of it."""
    for folder in (package.path, package.control):
        if is_within(output, real_path(folder)):
            raise Refused(Problem(Code.OUTPUT_PROTECTED, output, found=f"a place in {shown(folder)}"))


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
