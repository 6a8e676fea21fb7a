"""What a command tries to do, so that whoever tells of a failure can say what to type next."""

from dataclasses import dataclass

from qa2pack.pack.target import Target


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was tried.

    Attributes:
        verb: the command.
        origin: the origin as the user calls it, quoted for a shell; empty where there is none.
        noun: what the target is.
    """

    verb: str
    target: Target
    origin: str = ""
    noun: str = "package"

    @property
    def again(self) -> str:
        """The command that tries it again."""
        # Spelled out only where that needs none of the options that were typed.
        is_whole = self.verb in ("apply", "rollback", "adopt")
        return f"pack {self.verb} {self.target.quoted}" if is_whole else "the same command"

    @property
    def new_plan(self) -> str:
        """The command that makes a new plan."""
        return f"pack plan {self.origin or 'ORIGIN'} {self.target.quoted}"
