"""What becomes of one thing in the origin, names aside: a draft of an item, left out, or a problem.

Pure. In this order: excludes, includes, the rules of the layout. So an exclude beats all, and an include
beats the `never` of a layout; files of other programs only where it spells the name out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qa2pack.manifest.alma.role import Role
from qa2pack.manifest.alma.uid import names_its_block, uid_of
from qa2pack.manifest.format.header import LeftOut
from qa2pack.manifest.layout.execution_blocks import Block
from qa2pack.manifest.layout.globs import first_match
from qa2pack.manifest.layout.include import Include, included_role, spelt_out
from qa2pack.manifest.layout.names import Claim, Prefixing
from qa2pack.manifest.layout.rules import Layout, Level, Rule
from qa2pack.manifest.layout.survey import Kind, Node
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem

FAULTS: Mapping[Kind, Code] = {
    Kind.SPECIAL: Code.SPECIAL_FILE,
    Kind.BROKEN_LINK: Code.LINK_DANGLING,
    Kind.LOOP: Code.LINK_LOOP,
    Kind.OUTSIDE: Code.LINK_OUTSIDE,
    Kind.UNREADABLE: Code.UNREADABLE,
}


@dataclass(frozen=True, slots=True)
class OriginEntry:
    """A thing in the origin and where it lies.

    Attributes:
        path: relative to the origin, by the names that a person sees (links not resolved).
        block: the execution block it lies in, if any.
    """

    path: bytes
    node: Node
    level: Level
    block: Block | None

    @property
    def folder(self) -> bytes:
        """The path of the folder it lies in."""
        return self.path.rpartition(b"/")[0]


@dataclass(frozen=True, slots=True)
class Draft:
    """An item whose final name is not settled yet. `column` is the one that the layout wants, or empty."""

    entry: OriginEntry
    role: Role
    claim: Claim
    column: str = ""


Outcome = Draft | LeftOut | Problem


@dataclass(frozen=True, slots=True)
class Choice:
    """All that decides what becomes of a thing."""

    layout: Layout
    include: Sequence[Include]
    exclude: Sequence[str]
    blocks: Mapping[bytes, Block]

    def decide(self, entry: OriginEntry) -> tuple[Outcome, ...]:
        """Return what becomes of the thing at this spot; nothing if no rule or wish is about it."""
        excluded = first_match(entry.path, self.exclude)
        if excluded is not None:
            return (_left_out(entry, f"excluded by {excluded}"),)
        foreign = self.layout.why_foreign(entry.node.name)
        includes = spelt_out(self.include) if foreign else self.include
        role = None if entry.path in self.blocks else included_role(entry.path, includes)
        if role is None and foreign:
            return (_left_out(entry, foreign),)
        rule = None if entry.path in self.blocks else self.layout.rule_for(entry.node, entry.level)
        if role is None and rule is not None and rule.never:
            doubt = Problem(Code.W_LOOKS_LIKE_MS, entry.path, expected="--include or --exclude", found=rule.never)
            return (_left_out(entry, rule.never), doubt) if rule.warn else (_left_out(entry, rule.never),)
        if entry.node.kind in FAULTS:
            return (Problem(FAULTS[entry.node.kind], entry.path, found=entry.node.detail),)
        if role is not None:
            return (self._included(entry, role),)
        return (self._ruled(entry, rule, rule.role),) if rule is not None and rule.role else ()

    def _ruled(self, entry: OriginEntry, rule: Rule, role: Role) -> Outcome:
        owner = self._owner(entry)
        if "{uid}" in rule.folder and owner is None:
            return _left_out(entry, "its execution block is not in this origin")
        folder = rule.folder.encode().replace(b"{uid}", owner or b"")
        name = entry.node.name
        if rule.rename and entry.block:
            name = rule.rename.encode().replace(b"{folder}", entry.block.folder)
        return self._draft(entry, role, folder=folder, name=name, when=rule.prefix, column=rule.column)

    def _included(self, entry: OriginEntry, role: Role) -> Outcome:
        """Place an included thing as the layout would one of the role: logs of a block prefixed and so on."""
        owner = self._owner(entry)
        folder = owner + b".calibration" if owner and role is Role.CALIBRATION else b""
        is_of_block = role in {Role.QA, Role.LOG} and entry.block
        when = Prefixing.ALWAYS if is_of_block else Prefixing.MEETING
        column = "DATA" if role in {Role.RAW, Role.CALIBRATED} and entry.node.kind is Kind.TABLE else ""
        return self._draft(entry, role, folder=folder, name=entry.node.name, when=when, column=column)

    def _draft(
        self, entry: OriginEntry, role: Role, *, folder: bytes, name: bytes, when: Prefixing, column: str
    ) -> Draft:
        claim = Claim(
            source=entry.path,
            folder=join(role.folder, folder) if folder else role.folder,
            name=name,
            prefix=self._prefix(entry, name),
            when=when,
        )
        return Draft(entry, role, claim, column)

    def _prefix(self, entry: OriginEntry, name: bytes) -> bytes:
        if entry.block:
            return b"" if names_its_block(name) else entry.block.owner_of(name) + b"__"
        if entry.level is Level.SIBLING:
            return entry.folder.replace(b"/", b"__") + b"__"
        return b""

    def _owner(self, entry: OriginEntry) -> bytes | None:
        """Return the uid of the block that the thing belongs to, which outside blocks its name must say."""
        if entry.block:
            return entry.block.owner_of(entry.node.name)
        uid = uid_of(entry.node.name)
        return uid if any(uid in block.uids for block in self.blocks.values()) else None


def _left_out(entry: OriginEntry, reason: str) -> LeftOut:
    return LeftOut(entry.path, reason, entry.node.is_tree)
