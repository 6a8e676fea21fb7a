"""Problem: a value with code, path, expected and found; `PlanRefused` carries several of them.

Planning, preflight and verifying collect all problems and then report them together. The text for each code is in
one table (`pack.errors.problem_texts`), never in the code that finds the problem.
"""

from dataclasses import dataclass
from enum import StrEnum

from qa2pack.manifest.path import shown


class Code(StrEnum):
    """Stable names of the problems; they are printed, documented and tested by these names."""

    # planning
    ORIGIN_MISSING = "origin-missing"
    ORIGIN_NOT_FOLDER = "origin-not-folder"
    ORIGIN_NOT_WRITABLE = "origin-not-writable"
    UNREADABLE = "unreadable"
    NO_EXECUTION_BLOCK = "no-execution-block"
    README_MISSING = "readme-missing"
    README_NOT_TEXT = "readme-not-text"
    NOT_A_PACKAGE = "not-a-package"
    PACKAGE_MISSING = "package-missing"
    PART_OF_PACKAGE = "part-of-package"
    SWAPPED = "swapped"
    NOT_ADOPTED = "not-adopted"
    NESTED = "nested"
    INSIDE_PACKAGE = "inside-package"
    TICKET_IN_THE_WAY = "ticket-in-the-way"
    CONTROL_UNUSABLE = "control-unusable"
    CONTROL_FOREIGN = "control-foreign"
    COLLISION = "collision"
    CROSS_DEVICE = "cross-device"
    NO_HARD_LINKS = "no-hard-links"
    NO_SYMLINKS = "no-symlinks"
    NAME_REFUSED = "name-refused"
    NAMES_MERGE = "names-merge"
    NO_SPACE = "no-space"
    NO_INODES = "no-inodes"
    LINK_DANGLING = "link-dangling"
    LINK_LOOP = "link-loop"
    LINK_OUTSIDE = "link-outside"
    SPECIAL_FILE = "special-file"
    NAME_TOO_LONG = "name-too-long"
    UNKNOWN_ROLE = "unknown-role"
    UNKNOWN_LAYOUT = "unknown-layout"
    UNKNOWN_MODE = "unknown-mode"
    UNSAFE_PATH = "unsafe-path"
    TABLE_BROKEN = "table-broken"
    MANAGER_UNKNOWN = "manager-unknown"
    SCRATCH_FULL = "scratch-full"
    CASACORE_UNUSABLE = "casacore-unusable"
    TABLE_LOSSY = "table-lossy"
    TABLE_REFERS = "table-refers"
    TABLE_PART_EXCLUDED = "table-part-excluded"
    NOT_WRITABLE = "not-writable"
    DESTINATION_MISSING = "destination-missing"
    LINK_LIMIT = "link-limit"
    LINK_FORBIDDEN = "link-forbidden"
    UNCHANGEABLE = "unchangeable"
    PATH_TOO_LONG = "path-too-long"
    ONLY_COPY = "only-copy"
    NOT_TAKEN_OVER = "not-taken-over"
    MOUNT_POINT = "mount-point"
    NOT_MOVABLE = "not-movable"
    PLAN_MISSING = "plan-missing"
    PLAN_STALE = "plan-stale"
    ORIGIN_CHANGED = "origin-changed"
    JOURNAL_DAMAGED = "journal-damaged"
    # verifying
    PACKAGE_GONE = "package-gone"
    CHANGED = "changed"
    TRUNCATED = "truncated"
    GROWN = "grown"
    MISSING = "missing"
    EXTRA = "extra"
    EXTRA_FOLDER = "extra-folder"
    WRONG_TYPE = "wrong-type"
    MANIFEST_DAMAGED = "manifest-damaged"
    MANIFEST_NEWER = "manifest-newer"
    MANIFEST_MISSING = "manifest-missing"
    TICKET_DAMAGED = "ticket-damaged"
    # warnings
    W_NAME = "warning-name"
    W_README_IN_PATH = "warning-readme-in-path"
    W_CASE = "warning-case"
    W_TABLE_UNREADABLE = "warning-table-unreadable"
    W_TABLE_WHOLE = "warning-table-whole"
    W_RAW_IS_CALIBRATED = "warning-raw-is-calibrated"
    W_SEVERAL_UIDS = "warning-several-uids"
    W_NESTED_EB = "warning-nested-eb"
    W_LOOKS_LIKE_MS = "warning-looks-like-ms"
    W_SIZE_ESTIMATED = "warning-size-estimated"
    W_SET_ID = "warning-set-id"
    W_COPIED = "warning-copied"
    W_OWNER = "warning-owner"
    W_NEW_PACKAGE = "warning-new-package"
    W_SAME_ORIGIN = "warning-same-origin"
    W_PLAN_REPLACED = "warning-plan-replaced"
    W_MEMBER_GOES = "warning-member-goes"
    W_BECOMES_EMPTY = "warning-becomes-empty"
    W_LAST_COPY = "warning-last-copy"
    W_NO_MATCH = "warning-no-match"
    W_EMPTY = "warning-empty"
    W_BROKEN = "warning-broken"
    W_TICKET_MISSING = "warning-ticket-missing"

    @property
    def is_warning(self) -> bool:
        """Return whether it is a warning: it is reported, and it neither refuses a plan nor fails a verify."""
        return self.name.startswith("W_")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong at one path.

    Attributes:
        path: relative to the member for verify, absolute for planning.
    """

    code: Code
    path: bytes
    expected: str = ""
    found: str = ""

    def __str__(self) -> str:
        text = f"{self.code}: {shown(self.path)}"
        if self.expected:
            text += f"; expected {self.expected}"
        if self.found:
            text += f"; found {self.found}"
        return text


class PlanRefused(Exception):
    """The request cannot be carried out; nothing was changed.

    Attributes:
        problems: all reasons, never empty.
    """

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems
