"""The attempted command with its target, from which a failure message derives what to type next."""

from dataclasses import dataclass

from qa2pack.pack.target import Target


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempted command.

    Attributes:
        verb: the command.
        origin: the origin as typed, quoted for a shell; empty if there is none.
        noun: what the target is, for messages.
    """

    verb: str
    target: Target
    origin: str = ""
    noun: str = "package"

    @property
    def again(self) -> str:
        """The command that repeats the attempt."""
        # Spelled out only if it needs none of the options that were typed.
        is_whole = self.verb in ("apply", "rollback", "adopt")
        return f"pack {self.verb} {self.target.quoted}" if is_whole else "the same command"

    @property
    def new_plan(self) -> str:
        """The command that makes a new plan."""
        return f"pack plan {self.origin or 'ORIGIN'} {self.target.quoted}"
