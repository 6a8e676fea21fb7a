"""One broken world for every code of a problem, each made from a sound delivery by breaking one thing.

What is found then is returned, so that the steps may be those of the library or of the commands.
"""

import gzip
import os
import resource
import shutil
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from qa2pack.executor.casa.split import measure_split
from qa2pack.executor.errors import OriginChangedError
from qa2pack.executor.transaction.journal import JournalDamagedError
from qa2pack.executor.transaction.paths import journal_path
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.casa.column_split import SplitSpec
from qa2pack.manifest.format.files import save_durably
from qa2pack.manifest.format.record_codec import decode_record, encode_record, record_path
from qa2pack.manifest.layout.include import parse_include
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.pack.cli import main
from qa2pack.pack.dropin import PackagingError, QA_Packager
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.errors.failure import failure_of
from qa2pack.pack.jobs.read import existing_package
from qa2pack.pack.target import target_of
from qa2pack.pack.terminal.style import Style
from support.faulty_disk import Fault, FaultyDisk, Stopped
from support.file_systems import exfat_disk, folder_elsewhere, marked, overlay, small_disk
from support.hostile import CASES, CannotMakeError, make_case
from support.in_process import UID, Delivery, add_measurement_sets, make_reduction, write
from support.measurement_sets import (
    Recipe,
    Shared,
    rename_subtable,
    select_rows,
    write_calibration_table,
    write_compressed_measurement_set,
    write_multi_measurement_set,
)
from support.signatures import ALICE, known_signers, make_key, sign_by_hand, sign_package
from support.users import as_ordinary_user, folder_of_everybody


@dataclass(frozen=True, slots=True)
class World:
    """A sound delivery to be broken; what is entered into `stack` is left at the end."""

    delivery: Delivery
    folder: Path
    stack: ExitStack


Broken = Callable[[World], Iterable[Problem]]
WORLDS: dict[Code, Broken] = {}


def breaks(code: Code) -> Callable[[Broken], Broken]:
    """Enter a function that breaks a world, and returns what is found then, as the world of a code."""

    def enter(broken: Broken) -> Broken:
        assert code not in WORLDS
        WORLDS[code] = broken
        return broken

    return enter


def refusal(delivery: Delivery, mode: Mode = Mode.HARD, **choices: object) -> tuple[Problem, ...]:
    try:
        delivery.plan(mode, **choices)
        delivery.apply()
    except (Refused, OriginChangedError) as error:
        return error.problems
    return ()


def warnings(delivery: Delivery, mode: Mode = Mode.HARD) -> tuple[Problem, ...]:
    return delivery.plan(mode).notes.warnings


def hostile(name: str) -> Broken:
    """Return a world whose origin is one of the hostile trees."""
    (case,) = (case for case in CASES if case.name == name)

    def broken(world: World) -> Iterable[Problem]:
        try:
            origin = make_case(case, world.folder / "hostile")
        except CannotMakeError as error:
            pytest.skip(str(error))
        delivery = replace(world.delivery, origin=origin)
        return refusal(delivery) if case.refused else warnings(delivery)

    return broken


for _code, _name in (
    (Code.COLLISION, "meeting-after-renaming"),
    (Code.LINK_DANGLING, "dangling-link"),
    (Code.LINK_LOOP, "link-to-itself"),
    (Code.LINK_OUTSIDE, "link-outside"),
    (Code.LINK_LIMIT, "links-on-one-inode"),
    (Code.SPECIAL_FILE, "pipe-in-table"),
    (Code.NAME_TOO_LONG, "long-name-with-prefix"),
    (Code.PATH_TOO_LONG, "long-path"),
    (Code.W_NAME, "space"),
    (Code.W_README_IN_PATH, "readme-in-name"),
    (Code.W_CASE, "case"),
    (Code.W_SET_ID, "set-uid"),
    (Code.W_OWNER, "foreign-owner"),
):
    breaks(_code)(hostile(_name))


@breaks(Code.ORIGIN_MISSING)
def _(world: World) -> Iterable[Problem]:
    return refusal(replace(world.delivery, origin=world.folder / "no such folder"))


@breaks(Code.ORIGIN_NOT_FOLDER)
def _(world: World) -> Iterable[Problem]:
    return refusal(replace(world.delivery, origin=world.delivery.origin / "scriptForImaging.py"))


@breaks(Code.UNREADABLE)
def _(world: World) -> Iterable[Problem]:
    (world.delivery.origin / "/".join(["Images", *"d" * 120])).mkdir(parents=True)
    return refusal(world.delivery)


@breaks(Code.NO_PLACE)
def _(world: World) -> Iterable[Problem]:
    shutil.rmtree(world.delivery.origin / "X8c")
    return refusal(world.delivery)


@breaks(Code.LAYOUT_FITS)
def _(world: World) -> Iterable[Problem]:
    layout = world.folder / "other.toml"
    layout.write_text('[[place]]\nname = "run"\nmarked_by = "pipeline-*"\nneeded = true\n')
    return refusal(world.delivery, layout=str(layout))


@breaks(Code.README_MISSING)
def _(world: World) -> Iterable[Problem]:
    return refusal(world.delivery, readme=os.fsencode(world.folder / "no such file"))


@breaks(Code.NOT_A_PACKAGE)
def _(world: World) -> Iterable[Problem]:
    write(world.delivery.path / "thesis.tex", b"")
    return refusal(world.delivery)


@breaks(Code.PART_OF_PACKAGE)
def _(world: World) -> Iterable[Problem]:
    world.delivery.make()
    with pytest.raises(Refused) as caught:
        existing_package(target_of(os.fspath(world.delivery.member / "qa")))
    return caught.value.problems


@breaks(Code.SWAPPED)
def _(world: World) -> Iterable[Problem]:
    world.delivery.make()
    return refusal(replace(world.delivery, origin=world.delivery.path, path=world.delivery.origin))


@breaks(Code.PACKAGE_MISSING)
def _(world: World) -> Iterable[Problem]:
    with pytest.raises(Refused) as caught:
        existing_package(target_of(os.fspath(world.delivery.path)))
    return caught.value.problems


@breaks(Code.NOT_ADOPTED)
def _(world: World) -> Iterable[Problem]:
    world.delivery.make()
    shutil.rmtree(world.delivery.package.control)
    return refusal(world.delivery)


@breaks(Code.ONLY_COPY)
def _(world: World) -> Iterable[Problem]:
    world.delivery.make(Mode.MOVE)
    return refusal(replace(world.delivery, origin=make_reduction(world.folder / "sb2", seed=2)))


@breaks(Code.NOT_TAKEN_OVER)
def _(world: World) -> Iterable[Problem]:
    world.delivery.make(Mode.COPY)
    shutil.rmtree(world.delivery.package.control)
    main(["adopt", os.fspath(world.delivery.path), "--quiet"])
    return refusal(world.delivery)


@breaks(Code.NESTED)
def _(world: World) -> Iterable[Problem]:
    return refusal(replace(world.delivery, path=world.delivery.origin / "2011.0.00229.S"))


@breaks(Code.INSIDE_PACKAGE)
def _(world: World) -> Iterable[Problem]:
    world.delivery.make()
    return refusal(replace(world.delivery, path=world.delivery.path / "sg_ouss_id/inner"))


@breaks(Code.TICKET_IN_THE_WAY)
def _(world: World) -> Iterable[Problem]:
    write(Path(os.fsdecode(world.delivery.package.tickets[0])), b"the only copy")
    return refusal(world.delivery)


@breaks(Code.CONTROL_UNUSABLE)
def _(world: World) -> Iterable[Problem]:
    write(Path(os.fsdecode(world.delivery.package.control)), b"of another program")
    return refusal(world.delivery)


@breaks(Code.CONTROL_FOREIGN)
def _(world: World) -> Iterable[Problem]:
    if os.geteuid() != 0:
        pytest.skip("only root can give files to another user")
    world.delivery.make()
    os.chown(world.delivery.package.control, 12_345, -1)
    return refusal(world.delivery)


@breaks(Code.CROSS_DEVICE)
def _(world: World) -> Iterable[Problem]:
    folder = world.stack.enter_context(folder_elsewhere(world.folder))
    return refusal(replace(world.delivery, path=folder / "2011.0.00229.S"))


@breaks(Code.NO_HARD_LINKS)
def _(world: World) -> Iterable[Problem]:
    disk = world.stack.enter_context(exfat_disk(world.folder / "small"))
    origin = make_reduction(disk.path / "sb1")
    return refusal(replace(world.delivery, origin=origin, path=disk.path / "2011.0.00229.S"))


@breaks(Code.NO_SYMLINKS)
def _(world: World) -> Iterable[Problem]:
    disk = world.stack.enter_context(exfat_disk(world.folder / "small"))
    return refusal(replace(world.delivery, origin=make_reduction(disk.path / "sb1")), Mode.MOVE)


@breaks(Code.NOT_MOVABLE)
def _(world: World) -> Iterable[Problem]:
    lower = world.folder / "lower"
    lower.mkdir()
    replace(world.delivery, path=lower / "2011.0.00229.S").make(Mode.COPY)
    disk = world.stack.enter_context(overlay(lower, world.folder / "small"))
    return refusal(replace(world.delivery, path=disk / "2011.0.00229.S"), Mode.COPY)


@breaks(Code.NAME_REFUSED)
def _(world: World) -> Iterable[Problem]:
    write(world.delivery.origin / "spw0:1.fits", b"1")
    disk = world.stack.enter_context(exfat_disk(world.folder / "small"))
    return refusal(replace(world.delivery, path=disk.path / "2011.0.00229.S"), Mode.COPY)


@breaks(Code.NAMES_MERGE)
def _(world: World) -> Iterable[Problem]:
    for name in ("image.fits", "Image.fits"):
        write(world.delivery.origin / name, b"1")
    disk = world.stack.enter_context(exfat_disk(world.folder / "small"))
    return refusal(replace(world.delivery, path=disk.path / "2011.0.00229.S"), Mode.COPY)


def _limit_file_sizes(world: World, byte_count: int) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    world.stack.callback(resource.setrlimit, resource.RLIMIT_FSIZE, before)
    resource.setrlimit(resource.RLIMIT_FSIZE, (byte_count, before[1]))


@breaks(Code.FILE_TOO_LARGE)
def _(world: World) -> Iterable[Problem]:
    os.truncate(world.delivery.origin / "calibrated_all.clean.fits", 1 << 20)
    _limit_file_sizes(world, 1 << 19)
    return refusal(world.delivery, Mode.COPY)


@breaks(Code.README_NOT_TEXT)
def _(world: World) -> Iterable[Problem]:
    header = write(world.folder / "header.txt", "Cycle: 0\n".encode("utf-16"))
    return refusal(world.delivery, readme=os.fsencode(header))


@breaks(Code.UNCHANGEABLE)
def _(world: World) -> Iterable[Problem]:
    world.stack.enter_context(marked(world.delivery.origin / "scriptForImaging.py", "i"))
    return refusal(world.delivery)


@breaks(Code.NO_SPACE)
def _(world: World) -> Iterable[Problem]:
    write(world.delivery.origin / "calibrated_all.clean.fits", bytes(range(256)) * 2000)
    disk = world.stack.enter_context(small_disk(world.folder / "small", size=300_000))
    return refusal(replace(world.delivery, path=disk / "2011.0.00229.S"), Mode.COPY)


@breaks(Code.NO_INODES)
def _(world: World) -> Iterable[Problem]:
    disk = world.stack.enter_context(small_disk(world.folder / "small", inodes=12))
    return refusal(replace(world.delivery, path=disk / "2011.0.00229.S"), Mode.COPY)


@breaks(Code.JOURNAL_DAMAGED)
def _(world: World) -> Iterable[Problem]:
    world.delivery.plan(Mode.COPY)
    with pytest.raises(Stopped):
        world.delivery.apply(FaultyDisk(Fault.STOP_BEFORE, 30))
    journal = Path(os.fsdecode(journal_path(world.delivery.package)))
    write(journal, bytes(40) + journal.read_bytes()[40:])
    with pytest.raises(JournalDamagedError) as caught:
        world.delivery.apply()
    return failure_of(
        caught.value, Attempt("apply", target_of(os.fspath(world.delivery.path))), Style(False)
    ).problems


@breaks(Code.UNKNOWN_ROLE)
def _(world: World) -> Iterable[Problem]:
    return refusal(world.delivery, include=(parse_include("*.fits=picture"),))


@breaks(Code.UNKNOWN_LAYOUT)
def _(world: World) -> Iterable[Problem]:
    return refusal(world.delivery, layout="cycle99")


@breaks(Code.UNKNOWN_VARIABLE)
def _(world: World) -> Iterable[Problem]:
    return refusal(world.delivery, values=(("mous", "uid___A001_X1_X2"),))


@breaks(Code.VARIABLE_MISSING)
def _(world: World) -> Iterable[Problem]:
    layout = world.folder / "mine.toml"
    write(
        layout,
        b"""[variable.run]
[[place]]
name = "top"
[[rule]]
match = "*"
to = "{run}/{name}"
""",
    )
    return refusal(world.delivery, layout=str(layout))


_BY_RUN = b"""
tree = "run.{run}"
[variable.run]
[[place]]
name = "top"
[[rule]]
match = "*.py"
to = "{name}"
"""


def _plan_by_run(world: World, run: str, **choices: object) -> Iterable[Problem]:
    """Plan a member of a package in which the value of a variable tells the members apart."""
    layout = world.folder / "by_run.toml"
    write(layout, _BY_RUN)
    return refusal(world.delivery, Mode.HARD, layout=str(layout), values=(("run", run),), **choices)


@breaks(Code.APPEND_NOT_COUNTED)
def _(world: World) -> Iterable[Problem]:
    return _plan_by_run(world, "1", append=Append.MEMBER)


@breaks(Code.OTHER_TREE)
def _(world: World) -> Iterable[Problem]:
    world.delivery.make()
    return _plan_by_run(world, "1")


@breaks(Code.OTHER_MEMBER)
def _(world: World) -> Iterable[Problem]:
    assert _plan_by_run(world, "1") == ()
    return _plan_by_run(world, "2", append=Append.REPLACE, replaced=b"run.1")


@breaks(Code.SEVERAL_VALUES)
def _(world: World) -> Iterable[Problem]:
    layout = world.folder / "mine.toml"
    write(
        layout,
        b"""[variable.night]
[[place]]
name = "top"
path = "{night}"
needed = true
""",
    )
    for night in ("n1", "n2"):
        write(world.delivery.origin / night / "notes.txt", b"notes")
    return refusal(world.delivery, layout=str(layout))


def _layout_of_scripts(world: World, more: str) -> str:
    """Write a layout that packages scripts, with one table more; return its path."""
    layout = world.folder / "mine.toml"
    write(
        layout,
        b"""[[folder]]
name = "script"
[[place]]
name = "top"
[[rule]]
match = "*.py"
to = "script/{name}"
"""
        + more.encode(),
    )
    return str(layout)


def _layout_with_check(world: World, say: str) -> str:
    return _layout_of_scripts(world, f'[[check]]\nlacks = "script"\nwhat = "no scripts"\nsay = "{say}"\n')


@breaks(Code.CHECK_FAILED)
def _(world: World) -> Iterable[Problem]:
    return refusal(world.delivery, layout=_layout_with_check(world, "refuse"))


@breaks(Code.W_CHECK)
def _(world: World) -> Iterable[Problem]:
    return world.delivery.plan(layout=_layout_with_check(world, "warn")).notes.warnings


@breaks(Code.TEXT_FAILED)
def _(world: World) -> Iterable[Problem]:
    layout = _layout_of_scripts(world, '[[write]]\nto = "script/list.txt"\ntemplate = "list.jinja"\n')
    write(world.folder / "list.jinja", b"{{ tree.none }}")
    return refusal(world.delivery, layout=layout)


@breaks(Code.UNKNOWN_MODE)
def _(world: World) -> Iterable[Problem]:
    with pytest.raises(PackagingError) as caught:
        QA_Packager(world.delivery.origin, None, world.delivery.path, mode="teleport")
    return caught.value.problems


@breaks(Code.UNSAFE_PATH)
def _(world: World) -> Iterable[Problem]:
    plan = world.delivery.plan()
    blobs = [(record_path(blob), decode_record(blob)) for blob in plan.stream.blobs()]
    forged = [(path, encode_record(replace(record, source=b"/etc", source_names=()))) for path, record in blobs]
    save_durably(world.delivery.package.plan, plan.header, plan.notes, forged)
    with pytest.raises(Refused) as caught:
        world.delivery.apply()
    return caught.value.problems


@breaks(Code.TABLE_BROKEN)
def _(world: World) -> Iterable[Problem]:
    write(world.delivery.origin / f"X8c/{UID}.ms.split/table.dat", b"no table")
    return refusal(world.delivery)


@breaks(Code.MANAGER_UNKNOWN)
def _(world: World) -> Iterable[Problem]:
    add_measurement_sets(world.delivery.origin)
    table = world.delivery.origin / f"X8c/{UID}.ms.split/table.dat"
    write(table, table.read_bytes().replace(b"StandardStMan", b"/evilevilevil"))
    return refusal(world.delivery)


@breaks(Code.SCRATCH_FULL)
def _(world: World) -> Iterable[Problem]:
    add_measurement_sets(world.delivery.origin)
    disk = world.stack.enter_context(small_disk(world.folder / "small", size=100_000))
    patch = world.stack.enter_context(pytest.MonkeyPatch.context())
    patch.setattr("tempfile.tempdir", str(disk))
    return refusal(world.delivery)


@breaks(Code.CASACORE_UNUSABLE)
def _(world: World) -> Iterable[Problem]:
    add_measurement_sets(world.delivery.origin)
    _limit_file_sizes(world, 100_000)
    return refusal(world.delivery)


@breaks(Code.W_TABLE_UNREADABLE)
def _(world: World) -> Iterable[Problem]:
    write(world.delivery.origin / f"X8c/{UID}.ms.split/table.dat", b"no table")
    return warnings(world.delivery, Mode.FAKE)


@breaks(Code.TABLE_REFERS)
def _(world: World) -> Iterable[Problem]:
    write_calibration_table(world.folder / "whole.bandpass")
    select_rows(world.folder / "whole.bandpass", world.delivery.origin / f"X8c/{UID}.ms.split.bandpass")
    return refusal(world.delivery)


@breaks(Code.TABLE_PART_EXCLUDED)
def _(world: World) -> Iterable[Problem]:
    return refusal(world.delivery, exclude=("table.f0",))


@breaks(Code.TABLE_LOSSY)
def _(world: World) -> Iterable[Problem]:
    write_compressed_measurement_set(world.delivery.origin / f"X8c/{UID}.ms.split")
    return refusal(world.delivery)


@breaks(Code.TABLE_NOT_REWRITTEN)
def _(world: World) -> Iterable[Problem]:
    shared = Shared("TiledShapeStMan", ("DATA", "MODEL_DATA"))
    add_measurement_sets(world.delivery.origin, recipe=Recipe(rows=12, shared=(shared,)))
    rename_subtable(world.delivery.origin / f"X8c/{UID}.ms.split", b"FIELD", b"FIEL\xfe")
    return refusal(world.delivery)


@breaks(Code.W_TABLE_INCOMPLETE)
def _(world: World) -> Iterable[Problem]:
    table = world.delivery.origin / f"X8c/{UID}.ms.split.bandpass"
    write_calibration_table(table)
    (table / "table.f0").unlink()
    return warnings(world.delivery)


@breaks(Code.W_TABLE_WHOLE)
def _(world: World) -> Iterable[Problem]:
    table = world.delivery.origin / f"X8c/{UID}.ms.split"
    shutil.rmtree(table, ignore_errors=True)
    write_multi_measurement_set(table, Recipe(rows=12))
    return warnings(world.delivery)


@breaks(Code.NOT_WRITABLE)
def _(world: World) -> Iterable[Problem]:
    folder = world.stack.enter_context(folder_of_everybody())
    (folder / "locked").mkdir(0o555)
    origin = make_reduction(folder / "sb1")
    world.stack.enter_context(as_ordinary_user())
    return refusal(replace(world.delivery, origin=origin, path=folder / "locked/2011.0.00229.S"))


@breaks(Code.ORIGIN_NOT_WRITABLE)
def _(world: World) -> Iterable[Problem]:
    folder = world.stack.enter_context(folder_of_everybody())
    origin = make_reduction(folder / "sb1")
    replace(world.delivery, origin=origin).plan(Mode.COPY)  # imports what the other user may not read
    origin.chmod(0o555)
    world.stack.callback(origin.chmod, 0o755)
    world.stack.enter_context(as_ordinary_user())
    return refusal(replace(world.delivery, origin=origin, path=folder / "2011.0.00229.S"), Mode.MOVE)


@breaks(Code.LINK_FORBIDDEN)
def _(world: World) -> Iterable[Problem]:
    if os.geteuid() != 0:
        pytest.skip("only root can give files to others")
    if Path("/proc/sys/fs/protected_hardlinks").read_text().strip() != "1":
        pytest.skip("this system lets everybody link")
    folder = world.stack.enter_context(folder_of_everybody())
    origin = make_reduction(folder / "sb1")
    world.stack.enter_context(as_ordinary_user())
    return refusal(replace(world.delivery, origin=origin, path=folder / "2011.0.00229.S"))


@breaks(Code.DESTINATION_MISSING)
def _(world: World) -> Iterable[Problem]:
    return refusal(replace(world.delivery, path=world.folder / "no such folder/2011.0.00229.S"))


@breaks(Code.MOUNT_POINT)
def _(world: World) -> Iterable[Problem]:
    world.stack.enter_context(small_disk(world.delivery.path))
    return refusal(world.delivery)


@breaks(Code.PLAN_MISSING)
def _(world: World) -> Iterable[Problem]:
    with pytest.raises(Refused) as caught:
        world.delivery.apply()
    return caught.value.problems


@breaks(Code.PLAN_STALE)
def _(world: World) -> Iterable[Problem]:
    world.delivery.plan()
    shutil.copytree(world.delivery.origin, world.delivery.path)
    with pytest.raises(Refused) as caught:
        world.delivery.apply()
    return caught.value.problems


@breaks(Code.PACKAGE_RENAMED)
def _(world: World) -> Iterable[Problem]:
    world.delivery.make()
    world.delivery.plan()
    other = replace(world.delivery, path=world.delivery.path.with_name("elsewhere"))
    world.delivery.path.rename(other.path)
    os.rename(world.delivery.package.control, other.package.control)
    with pytest.raises(Refused) as caught:
        other.apply()
    return caught.value.problems


@breaks(Code.EXTRA_SINCE_PLAN)
def _(world: World) -> Iterable[Problem]:
    world.delivery.make()
    world.delivery.plan()
    (world.delivery.member / "qa/notes").write_text("mine")
    with pytest.raises(Refused) as caught:
        world.delivery.apply()
    return caught.value.problems


@breaks(Code.CHANGED_SINCE_PLAN)
def _(world: World) -> Iterable[Problem]:
    world.delivery.make(Mode.COPY)
    world.delivery.plan(Mode.COPY)
    (world.delivery.member / "script/scriptForImaging.py").write_text("mine")
    with pytest.raises(Refused) as caught:
        world.delivery.apply()
    return caught.value.problems


_BESIDE = b"""
readme = false
[[place]]
name = "top"
[[rule]]
kind = "file"
match = "*"
to = "{name}"
[[write]]
to = "../sums.md5"
template = "sums.jinja"
"""


def _layout_with_list_beside(world: World) -> str:
    write(world.folder / "beside.toml", _BESIDE)
    write(world.folder / "sums.jinja", b"{% for each in files %}{{ each.md5 }}  {{ each.path }}\n{% endfor %}")
    return str(world.folder / "beside.toml")


@breaks(Code.NOTHING_PACKAGED)
def _(world: World) -> Iterable[Problem]:
    write(world.folder / "nothing.toml", b'readme = false\n[[place]]\nname = "top"\n')
    return refusal(world.delivery, Mode.COPY, layout=str(world.folder / "nothing.toml"))


@breaks(Code.BESIDE_TAKEN)
def _(world: World) -> Iterable[Problem]:
    write(world.delivery.path.parent / "sums.md5", b"of somebody")
    return refusal(world.delivery, Mode.COPY, layout=_layout_with_list_beside(world))


@breaks(Code.BESIDE_DAMAGED)
def _(world: World) -> Iterable[Problem]:
    assert refusal(world.delivery, Mode.COPY, layout=_layout_with_list_beside(world)) == ()
    write(world.delivery.path.parent / "sums.md5", b"of somebody")
    return world.delivery.problems()


@breaks(Code.ORIGIN_CHANGED)
def _(world: World) -> Iterable[Problem]:
    world.delivery.plan()
    write(world.delivery.origin / "scriptForImaging.py", b"changed")
    with pytest.raises(OriginChangedError) as caught:
        world.delivery.apply()
    return caught.value.problems


@breaks(Code.SPLIT_DIFFERS)
def _(world: World) -> Iterable[Problem]:
    shared = Shared("TiledShapeStMan", ("DATA", "MODEL_DATA"))
    add_measurement_sets(world.delivery.origin, recipe=Recipe(rows=12, shared=(shared,)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qa2pack.executor.casa.split.measure_split", _without_tiles)
        world.delivery.plan()
    with pytest.raises((Refused, OriginChangedError)) as caught:
        world.delivery.apply()
    return caught.value.problems


def _without_tiles(table: bytes, spec: SplitSpec) -> SplitSpec:
    """Measure as a version of casacore that keeps tiles in one file."""
    measured = measure_split(table, spec)
    return replace(measured, sizes=tuple(each for each in measured.sizes if not each[0].endswith(b"_TSM1")))


@breaks(Code.W_RAW_IS_CALIBRATED)
def _(world: World) -> Iterable[Problem]:
    add_measurement_sets(world.delivery.origin, recipe=Recipe(rows=12, columns=("MODEL_DATA", "CORRECTED_DATA")))
    return warnings(world.delivery)


@breaks(Code.W_MODEL_ALONE)
def _(world: World) -> Iterable[Problem]:
    add_measurement_sets(world.delivery.origin, recipe=Recipe(rows=12, columns=("MODEL_DATA",)))
    return warnings(world.delivery)


@breaks(Code.W_SEVERAL_UIDS)
def _(world: World) -> Iterable[Problem]:
    write(world.delivery.origin / "X8c/uid___A002_X1_X2.ms.scriptForCalibration.py", b"")
    return warnings(world.delivery)


@breaks(Code.W_NESTED_EB)
def _(world: World) -> Iterable[Problem]:
    write(world.delivery.origin / "X8c/old/uid___A002_X1_X1.ms.scriptForCalibration.py", b"")
    return warnings(world.delivery)


@breaks(Code.W_DEEPER_SB)
def _(world: World) -> Iterable[Problem]:
    make_reduction(world.delivery.origin / "sb2", uid="uid___A002_X1_X1")
    return warnings(world.delivery)


@breaks(Code.W_ROLE_EMPTY)
def _(world: World) -> Iterable[Problem]:
    (world.delivery.origin / "calibrated_all.clean.fits").unlink()
    return [problem for problem in warnings(world.delivery) if problem.path == b"product"]


@breaks(Code.W_BLOCK_INCOMPLETE)
def _(world: World) -> Iterable[Problem]:
    make_reduction(world.delivery.origin, uid="uid___A002_X1_X1", block="X1")
    (world.delivery.origin / "X8c/checklist.txt").unlink()
    return warnings(world.delivery)


@breaks(Code.W_PROJECT_CODE)
def _(world: World) -> Iterable[Problem]:
    return warnings(replace(world.delivery, path=world.folder / "trial"))


@breaks(Code.W_README_PROJECT)
def _(world: World) -> Iterable[Problem]:
    header = write(world.folder / "header.txt", b"Project code: 2012.1.00001.S\n")
    return world.delivery.plan(Mode.HARD, readme=os.fsencode(header)).notes.warnings


@breaks(Code.W_OTHER_DELIVERY)
def _(world: World) -> Iterable[Problem]:
    write(world.delivery.origin / "uid___A001_X87c_X69.weblog.tgz", gzip.compress(b"a pipeline's"))
    return warnings(world.delivery)


@breaks(Code.W_LOOKS_LIKE_MS)
def _(world: World) -> Iterable[Problem]:
    write(world.delivery.origin / f"X8c/{UID}.ms.split_fixed/table.dat", b"")
    return warnings(world.delivery)


@breaks(Code.W_SIZE_ESTIMATED)
def _(world: World) -> Iterable[Problem]:
    shared = Shared("TiledShapeStMan", ("DATA", "MODEL_DATA", "CORRECTED_DATA"))
    recipe = Recipe(rows=30_000, spectra=((64, 4),), shared=(shared,), odd_weights=False)
    add_measurement_sets(world.delivery.origin, recipe=recipe)
    shutil.rmtree(world.delivery.origin / f"X8c/{UID}.ms.split.cal")
    return warnings(world.delivery, Mode.FAKE)


@breaks(Code.W_COPIED)
def _(world: World) -> Iterable[Problem]:
    folder = world.stack.enter_context(folder_elsewhere(world.folder))
    return warnings(replace(world.delivery, path=folder / "2011.0.00229.S"), Mode.TICKET)


@breaks(Code.W_BACK_IN_PART)
def _(world: World) -> Iterable[Problem]:
    os.link(world.delivery.origin / "scriptForImaging.py", world.delivery.origin / "scriptForImagingAgain.py")
    folder = world.stack.enter_context(folder_elsewhere(world.folder))
    return warnings(replace(world.delivery, path=folder / "2011.0.00229.S"), Mode.MOVE)


@breaks(Code.W_NEW_PACKAGE)
def _(world: World) -> Iterable[Problem]:
    return world.delivery.plan(append=Append.MEMBER).notes.warnings


@breaks(Code.W_SAME_ORIGIN)
def _(world: World) -> Iterable[Problem]:
    world.delivery.make()
    return world.delivery.plan(append=Append.MEMBER).notes.warnings


@breaks(Code.W_LAST_COPY)
def _(world: World) -> Iterable[Problem]:
    world.delivery.make()
    (world.delivery.origin / "X8c" / f"{UID}.ms.scriptForCalibration.py").write_text("another")
    return world.delivery.plan().notes.warnings


@breaks(Code.W_EXTRA_GOES)
def _(world: World) -> Iterable[Problem]:
    world.delivery.make()
    (world.delivery.member / "qa/notes").write_text("mine")
    return warnings(world.delivery)


@breaks(Code.W_CHANGED_GOES)
def _(world: World) -> Iterable[Problem]:
    world.delivery.make(Mode.COPY)
    (world.delivery.member / "script/scriptForImaging.py").write_text("mine")
    return warnings(world.delivery, Mode.COPY)


@breaks(Code.W_MEMBER_GOES)
def _(world: World) -> Iterable[Problem]:
    replace(world.delivery, origin=make_reduction(world.folder / "sb9", seed=9)).make()
    return warnings(world.delivery)


@breaks(Code.W_BECOMES_EMPTY)
def _(world: World) -> Iterable[Problem]:
    world.delivery.make()
    return warnings(world.delivery, Mode.FAKE)


@breaks(Code.W_EMPTY)
def _(world: World) -> Iterable[Problem]:
    write(world.delivery.origin / "empty.fits", b"")
    return warnings(world.delivery)


@breaks(Code.W_BROKEN)
def _(world: World) -> Iterable[Problem]:
    write(world.delivery.origin / "image.fits.gz", b"<html>not found</html>")
    return warnings(world.delivery)


@breaks(Code.BUNDLE_UNREADABLE)
def _(world: World) -> Iterable[Problem]:
    layout = world.folder / "out_of_bundles.toml"
    rule = '[[rule]]\nmatch = "*.weblog.tgz!{rest}"\nto = "{rest}"\n'
    layout.write_text(f'readme = false\n[[place]]\nname = "top"\n{rule}')
    write(world.delivery.origin / "a.weblog.tgz", b"no bundle")
    return refusal(world.delivery, Mode.FAKE, layout=str(layout))


@breaks(Code.W_NO_MATCH)
def _(world: World) -> Iterable[Problem]:
    return world.delivery.plan(exclude=("*.fitz",), typed_globs=("*.fitz",)).notes.warnings


SCRIPT = "script/scriptForImaging.py"


@breaks(Code.W_PLAN_REPLACED)
def _(world: World) -> Iterable[Problem]:
    replace(world.delivery, origin=make_reduction(world.folder / "sb9", seed=9)).plan()
    return warnings(world.delivery)


def after(change: Callable[[Path], object], *, mode: Mode = Mode.COPY) -> Broken:
    """Return a world in which the member of a finished package is changed, and the package verified."""

    def broken(world: World) -> Iterable[Problem]:
        world.delivery.make(mode)
        change(world.delivery.member)
        return world.delivery.problems()

    return broken


breaks(Code.PACKAGE_GONE)(after(lambda member: shutil.rmtree(member.parents[2])))
breaks(Code.CHANGED)(after(lambda member: write(member / SCRIPT, bytes((member / SCRIPT).stat().st_size))))
breaks(Code.TRUNCATED)(after(lambda member: os.truncate(member / SCRIPT, 1)))
breaks(Code.GROWN)(after(lambda member: os.truncate(member / SCRIPT, 10_000)))
breaks(Code.MISSING)(after(lambda member: (member / SCRIPT).unlink()))
breaks(Code.EXTRA)(after(lambda member: write(member / "qa/extra", b"")))
breaks(Code.EXTRA_FOLDER)(after(lambda member: (member / "qa/extra").mkdir()))
breaks(Code.WRONG_TYPE)(after(lambda member: _as_link(member / SCRIPT)))


@breaks(Code.DAMAGED_INSIDE)
def _file_in_a_bundle_is_damaged(world: World) -> Iterable[Problem]:
    layout = world.folder / "bundles.toml"
    layout.write_text(
        'tree = "sg_ouss_id/group_ouss_id{group}/member_ouss_id{member}"\nreadme = false\n'
        '[[folder]]\nname = "log"\n[[place]]\nname = "top"\n'
        '[[rule]]\nkind = "file"\nmatch = "*"\nto = "log/all.tgz!{name}"\n'
        '[[rule]]\nkind = "tree"\nmatch = "*"\nnever = "no file"\n'
    )
    write(world.delivery.origin / "a", b"a" * 100)
    world.delivery.make(Mode.COPY, layout=str(layout))
    (bundle,) = world.delivery.path.rglob("all.tgz")
    bundle.write_bytes(gzip.compress(gzip.decompress(bundle.read_bytes()).replace(b"aa", b"ab", 1)))
    return world.delivery.problems()


breaks(Code.MANIFEST_DAMAGED)(after(lambda member: os.truncate(_manifest(member), 100)))
breaks(Code.TICKET_DAMAGED)(after(lambda member: os.truncate(_ticket(member), 100)))
breaks(Code.W_TICKET_MISSING)(after(lambda member: _ticket(member).unlink()))
breaks(Code.MANIFEST_NEWER)(after(lambda member: _as_of_a_newer_program(_manifest(member))))
breaks(Code.MANIFEST_MISSING)(after(lambda member: _manifest(member).unlink()))


@breaks(Code.SIGNATURE_WRONG)
def _signature_is_of_something_else(world: World) -> Iterable[Problem]:
    key = make_key(world.folder / "key")
    world.delivery.make(Mode.COPY)
    sign_package(key, world.delivery.path)
    manifest = _manifest(world.delivery.member)
    sign_by_hand(key, manifest.with_name(f"{manifest.name}.sha256"), "git")
    return world.delivery.problems()


@breaks(Code.SIGNATURE_UNKNOWN)
def _signer_is_not_known(world: World) -> Iterable[Problem]:
    known = make_key(world.folder / "known")
    world.delivery.make(Mode.COPY)
    sign_package(make_key(world.folder / "other"), world.delivery.path)
    return world.delivery.problems(signers=known_signers(world.folder / "signers", f"{ALICE} {known.text}"))


@breaks(Code.SIGNATURE_MISSING)
def _nobody_has_signed(world: World) -> Iterable[Problem]:
    known = make_key(world.folder / "known")
    world.delivery.make(Mode.COPY)
    return world.delivery.problems(signers=known_signers(world.folder / "signers", f"{ALICE} {known.text}"))


def _as_link(path: Path) -> None:
    path.rename(path.with_name("away"))
    path.symlink_to("away")


def _ticket(member: Path) -> Path:
    package = member.parents[2]
    return package.with_name(f"{package.name}.ticket.tar")


def _as_of_a_newer_program(manifest: Path) -> None:
    data = manifest.read_bytes()
    manifest.write_bytes(data[:8] + b"\xff\x00" + data[10:])


def _manifest(member: Path) -> Path:
    package = member.parents[2]
    return package.with_name(f"{package.name}.pack") / "manifests/group_ouss_id.member_ouss_id.manifest"
