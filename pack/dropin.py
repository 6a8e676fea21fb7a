"""The legacy call `QA_Packager(...)`: makes a plan, prints it and applies it, under one lock.

It may be called from a script or IPython, any number of times in one interpreter. Errors are raised with the text
that the commands print; the interpreter never exits.
"""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from typing import TypeVar

from qa2pack.executor.apply import ApplyOptions
from qa2pack.executor.stop_signals import InterruptedByUser, stops_observed
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.event import Level, log_event
from qa2pack.manifest.fs.presence import real_path
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.pack.commands.options import RunOptions
from qa2pack.pack.commands.run import print_view
from qa2pack.pack.commands.run_log import LogChoice, check_log_apart, check_log_place, run_logged
from qa2pack.pack.commands.workers import shown_workers
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.errors.failure import failure_of
from qa2pack.pack.jobs import apply as applyjob
from qa2pack.pack.jobs import plan as planjob
from qa2pack.pack.jobs.package import packaging
from qa2pack.pack.settings.dropin_settings import DropinDefaults, read_dropin_defaults
from qa2pack.pack.settings.files import unused_settings
from qa2pack.pack.settings.legacy_style import IMAGES_ALONE, LAYOUTS, MEASUREMENT_SETS, layout_of_style
from qa2pack.pack.target import Target, origin_of, quoted, target_of
from qa2pack.pack.terminal.output_streams import losses_reported, open_closed_streams
from qa2pack.pack.terminal.style import Style
from qa2pack.pack.views.apply import apply_view, resume_lines
from qa2pack.pack.views.plan import plan_view

Choice = TypeVar("Choice", Append, Mode)


class PackagingError(Exception):
    """The package could not be made; the text gives the reason, the state of the package and what to do.

    Attributes:
        problems: the problems that were found, if known.
    """

    def __init__(self, text: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(text)
        self.problems = problems


def QA_Packager(  # noqa: PLR0913, PLR0917 - the parameters of the old script
    origpath: str | os.PathLike[str],
    readme: str | os.PathLike[str] | None,
    packpath: str | os.PathLike[str],
    append: str = "",
    mode: str = "fake",
    style: str | None = None,
    PIscript: str | os.PathLike[str] | None = None,
    noms: bool = False,
    manimgonly: bool = False,
) -> None:
    """Package the reduction at `origpath` as `packpath`.

    Args:
        origpath: the folder of one scheduling block, or of one execution block.
        readme: file with the header of the README; empty or None takes the template. Required, as in the old script.
        packpath: the destination; its name is the project code.
        append: `''` replaces what is at the destination, `'group'` adds the next group, `'member'` the next member.
        mode: `fake`, `copy`, `hard`, `move` or `ticket`.
        style: the style of the delivery, as `cycle8-nopipe`, which stands for a layout; empty or None takes the
            layout of the settings, which is cycle0 if they have none.
        PIscript: file with the script that restores the data, for layouts that package one; empty or None for none.
        noms: no measurement sets are packaged.
        manimgonly: images that were made by hand alone are packaged, with their scripts.

    Raises:
        PackagingError: refused or failed; the text gives the state of the package and what to do.
        KeyboardInterrupt: interrupted; `pack apply` resumes.
    """
    open_closed_streams()
    piscript = os.fsdecode(PIscript or "")
    call = _Call(origpath, readme, packpath, append, mode, style or "", piscript, bool(noms), bool(manimgonly))
    with losses_reported("QA_Packager"):
        _package(call)


@dataclass(frozen=True, slots=True)
class _Call:
    """The parameters of one call."""

    origpath: str | os.PathLike[str]
    readme: str | os.PathLike[str] | None
    packpath: str | os.PathLike[str]
    append: str
    mode: str
    style: str
    piscript: str
    is_without_ms: bool
    is_images_alone: bool

    @property
    def arguments(self) -> Mapping[str, object]:
        """The parameters by their names; of those that are newer only what is given."""
        newer = {
            "style": self.style,
            "PIscript": self.piscript,
            "noms": self.is_without_ms,
            "manimgonly": self.is_images_alone,
        }
        return {
            "origpath": self.origpath,
            "readme": self.readme,
            "packpath": self.packpath,
            "append": self.append,
            "mode": self.mode,
            **{name: value for name, value in newer.items() if value},
        }

    @property
    def options(self) -> str:
        """What it says, as options of `pack plan` quoted for a shell, each with a blank before it."""
        options = [
            ("mode", str(self.mode)),  # of any type: a wrong one is refused later
            ("append", str(self.append)),
            ("readme", self.readme),
            ("layout", IMAGES_ALONE if self.is_images_alone else LAYOUTS.get(self.style)),
            ("set", self._value if self.piscript else None),
            *(("exclude", glob) for glob in (MEASUREMENT_SETS if self.is_without_ms else ())),
        ]
        return "".join(f" --{name} {quoted(os.fsencode(value))}" for name, value in options if value)

    @property
    def repeated(self) -> str | None:
        """What a plan that is advised repeats, with a blank before it; None for a mode that there is not."""
        return f" --mode {self.mode}" if self.mode in [*Mode] else None

    @property
    def _value(self) -> str:
        return f"piscript={os.path.abspath(self.piscript)}"

    def counting_before(self, defaults: DropinDefaults) -> DropinDefaults:
        """Return the defaults with what the call says of the rules, which counts before them.

        Raises:
            Refused: there is no such style.
        """
        selection = defaults.selection
        if self.is_without_ms:
            selection = replace(selection, exclude=(*MEASUREMENT_SETS, *selection.exclude))
        if self.piscript:
            selection = replace(selection, values=(self._value, *selection.values))
        layout = layout_of_style(self.style, is_images_alone=self.is_images_alone)
        if not layout:
            return replace(defaults, selection=selection)
        others = tuple(default for default in defaults.defaults if default.option != "layout")
        return replace(defaults, selection=replace(selection, layout=layout), defaults=others)


def _package(call: _Call) -> None:
    target = target_of(os.fspath(call.packpath))
    # Commands in messages may be typed in another folder than the script's: paths are absolute.
    for line in target.link_lines("package"):
        print(f"QA_Packager: {line}", file=sys.stderr)
    target = Target(target.package, target.package.path)
    origin = origin_of(os.fspath(call.origpath))
    defaults: DropinDefaults = DropinDefaults()

    def look(attempt: Attempt) -> None:
        nonlocal defaults
        if not os.fspath(call.origpath) or not os.fspath(call.packpath):
            raise Refused(Problem(Code.PATH_EMPTY, b"", "origpath and packpath"))
        defaults = call.counting_before(read_dropin_defaults(os.path.dirname(origin), os.environ))
        if defaults.log:
            check_log_place(defaults.log, origin=origin, package=target.package)
            check_log_apart(defaults.log, [("readme", os.fsencode(call.readme))] if call.readme else ())

    def plan(attempt: Attempt) -> None:
        request = defaults.selection.request(
            origin,
            target.package.path,
            readme=os.path.abspath(os.fsencode(call.readme)) if call.readme else None,
            append=_choice(Append, call.append, "append"),
            mode=_choice(Mode, call.mode, "mode"),
            strict=defaults.strict,
        )
        with shown_workers(RunOptions(defaults.jobs), defaults.trusted, defaults.wait_seconds) as workers:
            held.enter_context(packaging(request, workers, target.opened))
            made = planjob.plan(request, workers, target.opened, is_locked=True)
        folders = (real_path(b"."), target.package.parent)
        unused = unused_settings(folders, os.path.dirname(origin), os.environ)
        view = plan_view(made, attempt, is_applied=True, defaults=defaults.defaults, unused_settings=unused)
        print_view(view, attempt.verb, is_json=False)

    def apply(attempt: Attempt) -> None:
        options = ApplyOptions(keep_previous=defaults.keep_previous)
        for line in resume_lines(target, is_locked=True):
            print(line, file=sys.stderr)
        with shown_workers(RunOptions(defaults.jobs), defaults.trusted) as workers:
            result = applyjob.apply(target.package, options, workers, target.opened, is_locked=True)
        print_view(apply_view(result, target), attempt.verb, is_json=False)

    planning = Attempt("plan", target, quoted(origin), options=call.repeated, typed=call.options)
    _raising(planning, look)
    with _logged(defaults, call.arguments), stops_observed(), ExitStack() as held:  # of the lock, for both
        _raising(planning, plan)
        _raising(Attempt("apply", target, quoted(origin), options=call.repeated), apply)


def _logged(defaults: DropinDefaults, arguments: Mapping[str, object]) -> AbstractContextManager[None]:
    if not defaults.log:
        return nullcontext()
    call = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return run_logged(LogChoice(defaults.log, defaults.log_format), "QA_Packager", f"QA_Packager({call})")


def _choice(kind: type[Choice], value: str, name: str) -> Choice:
    try:
        return kind(value)
    except ValueError:
        expected = f"{name}= one of {', '.join(repr(str(each)) for each in kind)}"
        raise Refused(Problem(Code.UNKNOWN_MODE, str(value).encode("utf-8", "surrogateescape"), expected)) from None


def _raising(attempt: Attempt, work: Callable[[Attempt], None]) -> None:
    try:
        work(attempt)
    except (InterruptedByUser, KeyboardInterrupt) as error:
        text = failure_of(error, attempt, Style()).text
        log_event(__name__, "failure", text, Level.ERROR)
        raise KeyboardInterrupt(text) from None
    except Exception as error:
        failure = failure_of(error, attempt, Style())
        log_event(__name__, "failure", failure.text, Level.ERROR)
        # The text is enough for the user; only for a bug of the program the cause is kept, for developers.
        raise PackagingError(failure.text, failure.problems) from (error if failure.is_program else None)
    finally:
        sys.stdout.flush()
