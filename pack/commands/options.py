"""Arguments and options that several commands share, also in groups.

A group is a named tuple with a field per option; a dataclass takes five times as long to define, at every start.
`spread` gives a command the options of its groups; the command gets each group as one value.
"""

import functools
import inspect
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import typer

from qa2pack.executor.keep_previous import KeepPrevious, keep_previous_of
from qa2pack.manifest.path import shown
from qa2pack.pack.commands.completion import offered_members
from qa2pack.pack.settings.bounds import MOST_JOBS, MOST_WAIT_SECONDS, parse_rate
from qa2pack.pack.terminal.choices import Color, LogFormat, ProgressForm

if TYPE_CHECKING:
    from qa2pack.manifest.signature.signature import Trust

Result = TypeVar("Result")

PackageArgument = Annotated[
    str,
    typer.Argument(metavar="PACKAGE", help="The package; its folder's name is the project code.", show_default=False),
]
PackagesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PACKAGE",
        help="The packages, one or several. [default: those below the current folder]",
        show_default=False,
    ),
]
JobsOption = Annotated[
    int,
    typer.Option(
        "--jobs",
        envvar="PACK_JOBS",
        metavar="N",
        min=0,
        max=MOST_JOBS,
        help="Worker processes, at most 4 per processor; 0: one per processor.",
    ),
]
ClusterOption = Annotated[
    str,
    typer.Option(
        "--cluster",
        envvar="PACK_CLUSTER",
        metavar="ADDRESS",
        help="Let a Dask cluster do the work; its scheduler, as in tls://host:8786.",
        show_default=False,
    ),
]
InsecureClusterOption = Annotated[
    bool,
    typer.Option(
        "--insecure-cluster",
        envvar="PACK_INSECURE_CLUSTER",
        help="Accept an unencrypted tcp:// cluster of other machines: whoever reaches that network can act as you.",
    ),
]
BandwidthOption = Annotated[
    int,
    typer.Option(
        "--bandwidth",
        envvar="PACK_BANDWIDTH",
        metavar="RATE",
        parser=parse_rate,
        help="Read no more than this per second, all workers together, as in 200MB; 0 means no bound.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", envvar="PACK_QUIET", help="Show no progress.")]
ProgressOption = Annotated[
    ProgressForm,
    typer.Option(
        "--progress",
        envvar="PACK_PROGRESS",
        metavar="auto|bar|lines|json|none",
        help="Show progress on stderr: bar on a terminal, else lines; json for programs.",
    ),
]
LogOption = Annotated[
    str,
    typer.Option(
        "--log",
        metavar="FILE",
        envvar="PACK_LOG",
        show_default=False,
        help="Add a full log of this run to FILE, which must be outside package and origin.",
    ),
]
LogFormatOption = Annotated[
    LogFormat,
    typer.Option(
        "--log-format",
        envvar="PACK_LOG_FORMAT",
        metavar="text|json",
        help="Form of the log; json: one object a line.",
    ),
]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", envvar="PACK_VERBOSE", help="Print phases and versions on stderr.")
]
DebugOption = Annotated[
    bool,
    typer.Option(
        "--debug", envvar="PACK_DEBUG", help="Log all details, for help from afar; on stderr if there is no --log."
    ),
]
ColorOption = Annotated[
    Color, typer.Option("--color", envvar="PACK_COLOR", metavar="auto|always|never", help="Colour the output.")
]
NoSettingsOption = Annotated[
    bool, typer.Option("--no-settings", envvar="PACK_NO_SETTINGS", help="Take no defaults from a pack.toml.")
]
KEEP_PREVIOUS = "--keep-previous"


def _keep_previous_of(text: str) -> KeepPrevious:
    try:
        return keep_previous_of(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(map(repr, map(str, KeepPrevious)))}.") from None


KeepPreviousOption = Annotated[
    KeepPrevious,
    typer.Option(
        KEEP_PREVIOUS,
        envvar="PACK_KEEP_PREVIOUS",
        metavar="yes|no|auto",
        parser=_keep_previous_of,
        autocompletion=lambda: list(map(str, KeepPrevious)),
        help="Keep what is replaced for `pack rollback`; auto: if it takes little space. Without a value: yes.",
    ),
]
RehashOption = Annotated[
    bool, typer.Option("--rehash", help="Read every file again; do not trust sizes and times that have not changed.")
]
TrustOwnerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--trust-owner",
        metavar="NAME",
        envvar="PACK_TRUST_OWNER",
        help="Act on a control folder of this user, too; a name or a number. Repeatable.",
    ),
]
WaitOption = Annotated[
    int,
    typer.Option(
        "--wait",
        envvar="PACK_WAIT",
        metavar="SECONDS",
        min=0,
        max=MOST_WAIT_SECONDS,
        help="Wait so long for a run that locks the package.",
    ),
]
OriginArgument = Annotated[
    str,
    typer.Argument(metavar="ORIGIN", help="The reduction folder of one scheduling block.", show_default=False),
]
IncludeOption = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB=ROLE", envvar="PACK_INCLUDE", help="Package this, in that role. Repeatable."),
]
ExcludeOption = Annotated[
    list[str] | None, typer.Option(metavar="GLOB", envvar="PACK_EXCLUDE", help="Leave this out. Repeatable.")
]
AsIsOption = Annotated[
    bool, typer.Option("--as-is", envvar="PACK_AS_IS", help="Package tables whole that casacore cannot open.")
]
NoSplitOption = Annotated[bool, typer.Option("--no-split", envvar="PACK_NO_SPLIT", help="Package all data columns.")]
CasaWeightsOption = Annotated[
    bool,
    typer.Option(
        "--casa-weights",
        envvar="PACK_CASA_WEIGHTS",
        help="Give WEIGHT_SPECTRUM and SIGMA_SPECTRUM as CASA's split does.",
    ),
]
FollowOutsideOption = Annotated[
    bool,
    typer.Option("--follow-outside", envvar="PACK_FOLLOW_OUTSIDE", help="Follow links that lead out of the origin."),
]
LayoutOption = Annotated[
    str, typer.Option(metavar="NAME|FILE", envvar="PACK_LAYOUT", help="The rules: a name, or a TOML file.")
]


def _one_value_each(texts: list[str] | None) -> list[str] | None:
    """Refuse two values of one variable: one of them would count silently."""
    if not texts:
        return texts
    from qa2pack.manifest.layout.given import two_values

    if two := two_values(texts):
        raise typer.BadParameter(f"a variable has one value, and these are two: {' and '.join(map(shown, two))}")
    return texts


SetOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        envvar="PACK_SET",
        help="Set a variable of the layout. Repeatable.",
        callback=_one_value_each,
    ),
]
MemberOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        autocompletion=offered_members,
        help="Only this member, as pack show names it.",
        show_default=False,
    ),
]
AllowedSignersOption = Annotated[
    str,
    typer.Option(
        "--allowed-signers",
        metavar="FILE",
        envvar="PACK_ALLOWED_SIGNERS",
        help="Known signers and their SSH keys, as ssh-keygen takes them: say which of them signed.",
        show_default=False,
    ),
]
CatalogueOption = Annotated[
    str,
    typer.Option(
        "--catalogue",
        envvar="PACK_CATALOGUE",
        metavar="FILE",
        help="The catalogue, on a disk of this machine. [default: qa2pack/catalogue.sqlite in $XDG_STATE_HOME]",
        show_default=False,
    ),
]
RequireSignatureOption = Annotated[
    bool,
    typer.Option(
        "--require-signature",
        envvar="PACK_REQUIRE_SIGNATURE",
        help="What no known signer has signed is a problem.",
    ),
]


class KnownSignersOptions(NamedTuple):
    """Who is known as a signer, for commands that compare no content."""

    allowed_signers: AllowedSignersOption = ""

    def trust(self) -> "Trust":
        """Return whose signatures are known."""
        return SignersOptions(self.allowed_signers).trust()


class SignersOptions(NamedTuple):
    """Whose signatures are wanted."""

    allowed_signers: AllowedSignersOption = ""
    require_signature: RequireSignatureOption = False

    def trust(self) -> "Trust":
        """Return whose signatures are wanted.

        Raises:
            typer.BadParameter: a signature is required, and nobody is known.
        """
        from qa2pack.manifest.signature.signature import Trust
        from qa2pack.pack.settings.known_signers import check_known

        check_known(is_required=self.require_signature, signers=self.allowed_signers)
        path = os.path.abspath(os.fsencode(self.allowed_signers)) if self.allowed_signers else b""
        return Trust(path, self.require_signature)

    def check_on_this_machine(self, cluster: str) -> None:
        """Refuse a cluster for the check of a signed delivery: its workers do not see the bytes that were checked."""
        if self.allowed_signers and cluster:
            raise typer.BadParameter("--allowed-signers is checked on this machine: leave out --cluster")


class EveryOptions(NamedTuple):
    """What every command has; the base class of all commands takes it, and no command sees it."""

    log: LogOption = ""
    log_format: LogFormatOption = LogFormat.TEXT
    verbose: VerboseOption = False
    debug: DebugOption = False
    color: ColorOption = Color.AUTO
    no_settings: NoSettingsOption = False


class RunOptions(NamedTuple):
    """How a command works on this machine, and prints."""

    jobs: JobsOption = 0
    json: JsonOption = False
    quiet: QuietOption = False
    progress: ProgressOption = ProgressForm.AUTO


class ClusterRunOptions(NamedTuple):
    """How a command works that can use a cluster, and prints."""

    jobs: JobsOption = 0
    bandwidth: BandwidthOption = 0
    cluster: ClusterOption = ""
    insecure_cluster: InsecureClusterOption = False
    json: JsonOption = False
    quiet: QuietOption = False
    progress: ProgressOption = ProgressForm.AUTO


class TrustOptions(NamedTuple):
    """Whose control folders are accepted."""

    trust_owner: TrustOwnerOption = None

    def users(self) -> frozenset[int]:
        """Return the ids of the users.

        Raises:
            typer.BadParameter: there is no such user.
        """
        from qa2pack.pack.settings.trusted_owners import trusted_users

        return trusted_users(self.trust_owner)


class RuleOptions(NamedTuple):
    """Which files are packaged, and whether they are read again."""

    include: IncludeOption = None
    exclude: ExcludeOption = None
    layout: LayoutOption = "cycle0"
    set: SetOption = None
    rehash: RehashOption = False


class TableOptions(NamedTuple):
    """How tables and links are packaged."""

    as_is: AsIsOption = False
    no_split: NoSplitOption = False
    casa_weights: CasaWeightsOption = False
    follow_outside: FollowOutsideOption = False


def spread(command: Callable[..., Result]) -> Callable[..., Result]:
    """Return the command with the options of each group in place of the parameter that takes the group.

    The options of every command are added.
    """
    parameters = inspect.signature(command).parameters
    groups = {name: one.annotation for name, one in parameters.items() if _is_group(one.annotation)}
    options = [option for one in parameters.values() for option in _options(one)]
    options += _options_of(EveryOptions)

    @functools.wraps(command)
    def spread_command(**values: Any) -> Result:
        for name in EveryOptions._fields:  # taken from the context before
            del values[name]
        made = {
            name: group(**{option: values.pop(option) for option in group._fields}) for name, group in groups.items()
        }
        return command(**values, **made)

    spread_command.__annotations__ = {option.name: option.annotation for option in options}
    vars(spread_command)["__signature__"] = inspect.Signature(options)
    return spread_command


def _is_group(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, tuple)


def _options(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    """Return the parameters of a group's options, or the parameter itself."""
    if not _is_group(parameter.annotation):
        return [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)]
    return _options_of(parameter.annotation)


def _options_of(group: Any) -> list[inspect.Parameter]:
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=group._field_defaults[name],
            annotation=group.__annotations__[name],
        )
        for name in group._fields
    ]
