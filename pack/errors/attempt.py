"""The attempted command with its target, from which a failure message derives what to type next."""

from collections.abc import Iterator

from qa2pack.manifest.dataclass import dataclass
from qa2pack.pack.settings.option_source import Default
from qa2pack.pack.target import Target

# Verbs that run a transaction, or sign what one made.
_OF_TRANSACTIONS = frozenset(
    ("apply", "package", "readme", "receive", "remove", "rename", "repair", "rollback", "sign")
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempted command.

    Attributes:
        verb: the command.
        origin: the origin as typed, quoted for a shell; empty if there is none.
        options: of a plan, as typed, that a command which is advised repeats; None if it makes no plan.
        typed: all options of a plan that were typed, for a command that is the same but for one option more.
        elsewhere: those of them that a plan of another origin takes too, but for --mode.
        noun: what the target is, for messages.
        kept: a sentence about what a stopped run leaves for the next one; empty if the journal says it.
        defaults: the options that were not typed.
        shows_all: show every path of a problem, also where there are many.
    """

    verb: str
    target: Target
    origin: str = ""
    options: str | None = None
    typed: str | None = None
    elsewhere: str = ""
    noun: str = "package"
    kept: str = ""
    defaults: tuple[Default, ...] = ()
    shows_all: bool = False

    @property
    def runs_transaction(self) -> bool:
        """Whether the command changes a package; what the others are asked is not answered by a journal."""
        return self.verb in _OF_TRANSACTIONS

    def again_lines(self, purpose: str) -> Iterator[str]:
        """Yield how to repeat the attempt, for a purpose; a command is on a line of its own."""
        # Spelled out only if it needs none of the options that were typed.
        if self.verb in ("apply", "rollback", "adopt"):
            yield f"{purpose}:"
            yield f"  pack {self.verb} {self.target.quoted}"
        else:
            yield f"{purpose}, give the same command again."
