"""Problem: a value with code, path, expected and found; `PackError` is the base of the errors that carry them.

Planning, preflight and verifying collect all problems and then report them together. The text for each code is in
one table (`pack.errors.problem_texts`), never in the code that finds the problem.
"""

import errno
from collections.abc import Sequence
from enum import StrEnum

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.file_state import FileState
from qa2pack.manifest.path import shown
from qa2pack.manifest.quantity import Quantity, Size, difference_texts


class Code(StrEnum):
    """Stable names of the problems; they are printed, documented and tested by these names."""

    # planning
    ORIGIN_MISSING = "origin-missing"
    ORIGIN_NOT_FOLDER = "origin-not-folder"
    ORIGIN_NOT_WRITABLE = "origin-not-writable"
    UNREADABLE = "unreadable"
    BUNDLE_UNREADABLE = "bundle-unreadable"
    NO_PLACE = "no-place"
    LAYOUT_FITS = "layout-fits"
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
    FILE_TOO_LARGE = "file-too-large"
    NO_SPACE = "no-space"
    NO_INODES = "no-inodes"
    LINK_DANGLING = "link-dangling"
    LINK_LOOP = "link-loop"
    LINK_OUTSIDE = "link-outside"
    SPECIAL_FILE = "special-file"
    NAME_TOO_LONG = "name-too-long"
    UNKNOWN_ROLE = "unknown-role"
    APPEND_NOT_COUNTED = "append-not-counted"
    OTHER_TREE = "other-tree"
    OTHER_MEMBER = "other-member"
    UNKNOWN_LAYOUT = "unknown-layout"
    UNKNOWN_VARIABLE = "unknown-variable"
    VARIABLE_MISSING = "variable-missing"
    SEVERAL_VALUES = "several-values"
    CHECK_FAILED = "check-failed"
    TEXT_FAILED = "text-failed"
    UNKNOWN_MODE = "unknown-mode"
    UNSAFE_PATH = "unsafe-path"
    TABLE_BROKEN = "table-broken"
    MANAGER_UNKNOWN = "manager-unknown"
    SCRATCH_FULL = "scratch-full"
    CASACORE_UNUSABLE = "casacore-unusable"
    TABLE_LOSSY = "table-lossy"
    TABLE_NOT_REWRITTEN = "table-not-rewritten"
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
    PACKAGE_RENAMED = "package-renamed"
    EXTRA_SINCE_PLAN = "extra-since-plan"
    CHANGED_SINCE_PLAN = "changed-since-plan"
    NOTHING_PACKAGED = "nothing-packaged"
    BESIDE_TAKEN = "beside-taken"
    BESIDE_DAMAGED = "beside-damaged"
    ORIGIN_CHANGED = "origin-changed"
    SPLIT_DIFFERS = "split-differs"
    JOURNAL_DAMAGED = "journal-damaged"
    # what a command is asked for
    USAGE = "usage"
    PATH_EMPTY = "path-empty"
    SETTINGS_UNUSABLE = "settings-unusable"
    NOT_ENCRYPTED = "not-encrypted"
    NO_PACKAGE_BELOW = "no-package-below"
    LIST_UNUSABLE = "list-unusable"
    CATALOGUE_UNUSABLE = "catalogue-unusable"
    CATALOGUE_NEWER = "catalogue-newer"
    EARLIER_JOB = "earlier-job"
    MADE_OTHERWISE = "made-otherwise"
    MEMBER_UNKNOWN = "member-unknown"
    ONLY_MEMBER = "only-member"
    NAME_TAKEN = "name-taken"
    UNKNOWN_FIELD = "unknown-field"
    NO_README = "no-readme"
    MEMBER_NOT_NAMED = "member-not-named"
    MEMBER_AMBIGUOUS = "member-ambiguous"
    ORIGIN_UNKNOWN = "origin-unknown"
    PLACEHOLDERS = "placeholders"
    OUTPUT_PROTECTED = "output-protected"
    OUTPUT_FOLDER_MISSING = "output-folder-missing"
    OUTPUT_EXISTS = "output-exists"
    OUTPUT_BUSY = "output-busy"
    EXPORT_UNFINISHED = "export-unfinished"
    DIGEST_MISSING = "digest-missing"
    BAG_NAME = "bag-name"
    BAG_LINK = "bag-link"
    DELIVERY_MISSING = "delivery-missing"
    DELIVERY_OTHER = "delivery-other"
    DELIVERY_IN_THE_WAY = "delivery-in-the-way"
    FOLDER_IN_THE_WAY = "folder-in-the-way"
    NOT_A_DELIVERY_MANIFEST = "not-a-delivery-manifest"
    LABELS_MERGE = "labels-merge"
    NO_DELIVERY_SET = "no-delivery-set"
    DELIVERY_SET_UNKNOWN = "delivery-set-unknown"
    DELIVERY_SETS_MERGE = "delivery-sets-merge"
    DELIVERY_DATE_MISSING = "delivery-date-missing"
    DELIVERY_SEVERAL = "delivery-several"
    MEMBER_DIFFERS = "member-differs"
    MEMBERS_APART = "members-apart"
    CHUNK_TOO_SMALL = "chunk-too-small"
    TOO_MANY_CHUNKS = "too-many-chunks"
    KEY_UNUSABLE = "key-unusable"
    SIGNERS_UNUSABLE = "signers-unusable"
    SSH_KEYGEN_MISSING = "ssh-keygen-missing"
    ROLLBACK_TOO_LATE = "rollback-too-late"
    PLAN_WAITS = "plan-waits"
    STORE_UNUSABLE = "store-unusable"
    COPIES_MISSING = "copies-missing"
    STORE_FAILED = "store-failed"
    STORE_BUSY = "store-busy"
    PLAN_OTHER = "plan-other"
    CONTROL_MISSING = "control-missing"
    ORIGIN_AWAY = "origin-away"
    ORIGIN_IN_THE_WAY = "origin-in-the-way"
    MOVED_LOST = "moved-lost"
    NOT_AS_APPLIED = "not-as-applied"
    PREVIOUS_GONE = "previous-gone"
    CHANGED_SINCE = "changed-since"
    NOT_COMPARABLE = "not-comparable"
    ORIGIN_LOST = "origin-lost"
    TICKET_LOST = "ticket-lost"
    TREE_UNKNOWN = "tree-unknown"
    # what stops a command
    UNFINISHED = "unfinished"
    LOCKED = "locked"
    INTERRUPTED = "interrupted"
    DISK_FULL = "disk-full"
    MEMORY_SHORT = "memory-short"
    ACCESS_DENIED = "access-denied"
    READ_ONLY = "read-only"
    DISK_ERROR = "disk-error"
    PATH_MISSING = "path-missing"
    PATH_OTHER = "path-other"
    SYSTEM_ERROR = "system-error"
    PLAN_DAMAGED = "plan-damaged"
    PLAN_NEWER = "plan-newer"
    JOURNAL_NEWER = "journal-newer"
    PYTHON_PACKAGE = "python-package"
    NO_WORKERS = "no-workers"
    CLUSTER_LOST = "cluster-lost"
    WORKERS_DIED = "workers-died"
    PROGRAM_FAULT = "program-fault"
    # verifying
    PACKAGE_GONE = "package-gone"
    CHANGED = "changed"
    TRUNCATED = "truncated"
    GROWN = "grown"
    MISSING = "missing"
    EXTRA = "extra"
    EXTRA_FOLDER = "extra-folder"
    WRONG_TYPE = "wrong-type"
    DAMAGED_INSIDE = "damaged-inside"
    MANIFEST_DAMAGED = "manifest-damaged"
    MANIFEST_NEWER = "manifest-newer"
    MANIFEST_MISSING = "manifest-missing"
    TICKET_DAMAGED = "ticket-damaged"
    SIGNATURE_WRONG = "signature-wrong"
    SIGNATURE_UNKNOWN = "signature-unknown"
    SIGNATURE_MISSING = "signature-missing"
    SIGNATURE_WEAK = "signature-weak"
    # warnings
    W_NAME = "warning-name"
    W_README_IN_PATH = "warning-readme-in-path"
    W_CASE = "warning-case"
    W_TABLE_UNREADABLE = "warning-table-unreadable"
    W_TABLE_INCOMPLETE = "warning-table-incomplete"
    W_TABLE_WHOLE = "warning-table-whole"
    W_RAW_IS_CALIBRATED = "warning-raw-is-calibrated"
    W_MODEL_ALONE = "warning-model-alone"
    W_SEVERAL_UIDS = "warning-several-uids"
    W_NESTED_EB = "warning-nested-eb"
    W_DEEPER_SB = "warning-deeper-sb"
    W_ROLE_EMPTY = "warning-role-empty"
    W_CHECK = "warning-check"
    W_BLOCK_INCOMPLETE = "warning-block-incomplete"
    W_PROJECT_CODE = "warning-project-code"
    W_README_PROJECT = "warning-readme-project"
    W_OTHER_DELIVERY = "warning-other-delivery"
    W_LOOKS_LIKE_MS = "warning-looks-like-ms"
    W_SIZE_ESTIMATED = "warning-size-estimated"
    W_SET_ID = "warning-set-id"
    W_COPIED = "warning-copied"
    W_OWNER = "warning-owner"
    W_BACK_IN_PART = "warning-back-in-part"
    W_NEW_PACKAGE = "warning-new-package"
    W_SAME_ORIGIN = "warning-same-origin"
    W_PLAN_REPLACED = "warning-plan-replaced"
    W_MEMBER_GOES = "warning-member-goes"
    W_BECOMES_EMPTY = "warning-becomes-empty"
    W_LAST_COPY = "warning-last-copy"
    W_EXTRA_GOES = "warning-extra-goes"
    W_CHANGED_GOES = "warning-changed-goes"
    W_NO_MATCH = "warning-no-match"
    W_EMPTY = "warning-empty"
    W_BROKEN = "warning-broken"
    W_TICKET_MISSING = "warning-ticket-missing"

    @property
    def is_warning(self) -> bool:
        """Return whether it is a warning: it is reported, and it neither refuses a plan nor fails a verify."""
        return self.name.startswith("W_")


Value = str | FileState | Quantity


# Errors of reading that are none of what is read: open files, memory, a signal.
_OF_THE_MACHINE = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR))
# What is there though no manifest knows it.
EXTRAS = frozenset((Code.EXTRA, Code.EXTRA_FOLDER))
# A file is there, and its content is not that which was packaged.
HAS_OTHER_CONTENT = frozenset((Code.CHANGED, Code.TRUNCATED, Code.GROWN))
# Nobody whom the reader knows has signed the content as it is.
OF_SIGNATURES = frozenset((Code.SIGNATURE_WRONG, Code.SIGNATURE_UNKNOWN, Code.SIGNATURE_MISSING, Code.SIGNATURE_WEAK))


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong at one path.

    Attributes:
        path: relative to the member for verify, absolute for planning.
        expected, found: values with a text of their own, or words. Those of a warning are words: plans hold them.
    """

    code: Code
    path: bytes
    expected: Value = ""
    found: Value = ""

    def __str__(self) -> str:
        words = (f"; {word} {text}" for word, text in zip(("expected", "found"), self.details, strict=True) if text)
        return f"{self.code}: {shown(self.path)}{''.join(words)}"

    @property
    def details(self) -> tuple[str, str]:
        """What was expected and found, in words; of two states of a file only that in which they differ."""
        match self.expected, self.found:
            case FileState() as expected, FileState() as found:
                return difference_texts(expected, found)
            case expected, found:
                return str(expected), str(found)


def size_problem(path: bytes, expected: int, found: int) -> Problem:
    """Return the problem of a file that has another size in bytes than expected."""
    return Problem(Code.TRUNCATED if found < expected else Code.GROWN, path, Size(expected), Size(found))


def unreadable(path: bytes, error: OSError) -> Problem:
    """Return the problem of a file or folder that cannot be read.

    Raises:
        OSError: as `path_fault` does.
    """
    return Problem(Code.UNREADABLE, path, found=path_fault(error))


def path_fault(error: OSError) -> str:
    """Return what the system says is wrong with a path that could not be read.

    Raises:
        OSError: the error itself, where it is none of the path: of every other path it would be said as well.
    """
    if error.errno in _OF_THE_MACHINE:
        raise error
    return error.strerror or str(error)


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do.

    Attributes:
        text: a sentence, without the commands.
        commands: what to type, each shown on a line of its own with nothing behind it, to be copied. `PACKAGE`,
            `ORIGIN` and `MODE` stand for those of the running command, also in the text.
        path: what `PATH` stands for, quoted for a shell when it is shown.
        verbs: the commands that it is of use to; empty for all.
    """

    text: str
    commands: tuple[str, ...] = ()
    path: bytes = b""
    verbs: tuple[str, ...] = ()


class PackError(Exception):
    """Base of all errors that a user, a disk or another machine can cause.

    Attributes:
        problems: what is wrong, never empty once it is raised.
        remedies: what to do in this case; empty for what the codes of the problems say.
    """

    problems: tuple[Problem, ...] = ()
    remedies: tuple[Remedy, ...] = ()


class Refused(PackError):
    """The request cannot be carried out; nothing was changed."""

    def __init__(self, *problems: Problem, remedies: tuple[Remedy, ...] = ()) -> None:
        super().__init__(*problems)
        self.problems = problems
        self.remedies = remedies

    def __str__(self) -> str:
        return "; ".join(map(str, self.problems))


def refuse_any(problems: Sequence[Problem], *, remedies: tuple[Remedy, ...] = ()) -> None:
    """Raise all the problems together, if there are any; remedies are as of `PackError`."""
    if problems:
        raise Refused(*problems, remedies=remedies)
