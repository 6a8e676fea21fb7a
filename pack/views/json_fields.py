"""JSON output (`--json`): one object on stdout, with stable field names.

A path is given as it is shown. If that differs from the real path, because of control characters or bytes that are
not UTF-8, a second field with `_bytes` appended to its name holds the bytes in hexadecimal.
"""

import json
import sys
from collections.abc import Iterable, Mapping

from qa2pack.manifest.dataclass import asdict
from qa2pack.manifest.file_state import FileState
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import ArrivedIn, BundleTask, LeftOut, OpenedBundle, SplitTask
from qa2pack.manifest.format.inside import content_bytes, file_count
from qa2pack.manifest.humanize import utc_time
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Problem, Value
from qa2pack.pack.target import Target
from qa2pack.pack.views.estimate import LOCAL
from qa2pack.pack.views.placeholders import carried
from qa2pack.pack.views.totals import totals_fields

Fields = Mapping[str, object]


def print_fields(fields: Fields) -> None:
    """Print the object."""
    json.dump(fields, sys.stdout, indent=2)
    sys.stdout.write("\n")


def path_fields(name: str, path: bytes) -> dict[str, object]:
    """Return the field, or the two fields, of a path."""
    text = shown(path)
    exact = {} if text.encode() == path else {f"{name}_bytes": path.hex()}
    return {name: text, **exact}


def arrived_in_fields(delivery: ArrivedIn) -> Fields:
    """Return the fields of the delivery that a member came in."""
    return {
        **path_fields("sidecar", delivery.sidecar),
        "signed_at": utc_time(delivery.signed_ns) if delivery.signed_ns else "",
        "packaged_at": utc_time(delivery.packaged_s * 10**9),
    }


def problem_fields(problems: Iterable[Problem]) -> list[Fields]:
    """Return the problems as a list."""
    return [
        {
            "code": problem.code,
            **path_fields("path", problem.path),
            "expected": shown(str(problem.expected)),
            "found": shown(str(problem.found)),
            "expected_value": _value(problem.expected),
            "found_value": _value(problem.found),
        }
        for problem in problems
    ]


def _value(value: Value) -> object:
    """Return a number, a digest in hexadecimal or the fields of a state; None for words."""
    match value:
        case str():
            return None
        case FileState():
            return asdict(value)
        case _:
            return value.value


def plan_fields(plan: Described, target: Target, *, needed_bytes: int, free_bytes: int | None) -> Fields:
    """Return the view of a plan as fields."""
    header, notes = plan.header, plan.notes
    carried_count, carried_bytes = carried(plan)
    return {
        **path_fields("package", target.package.path),
        **path_fields("member", header.member),
        **path_fields("origin", header.origin),
        "mode": header.mode,
        "append": header.append,
        "layout": shown(header.layout),
        "plan_digest": plan.stream.digest.hex(),
        **totals_fields(notes.totals, header),
        "splits": [_split_fields(task) for task in notes.splits],
        "bundles": [_bundle_fields(task) for task in notes.bundles],
        "opened_bundles": [_opened_fields(bundle) for bundle in notes.opened],
        "destination": header.standing,
        "existing_members": [path_fields("member", member) for member, _ in header.base],
        "difference": asdict(notes.difference) if notes.difference else None,
        "left_out": [_left_out_fields(left) for left in notes.left_out],
        "warnings": problem_fields(notes.warnings),
        "needed_bytes": needed_bytes,
        "carried_count": carried_count,
        "carried_bytes": carried_bytes,
        "estimated_seconds": round(LOCAL.seconds(new_bytes=notes.new_bytes, file_count=notes.file_count), 3),
        "free_bytes": free_bytes,
    }


def _split_fields(task: SplitTask) -> Fields:
    return {
        **path_fields("path", task.path),
        **path_fields("source", task.source),
        "kept_column": shown(task.spec.keep),
        "dropped_columns": [shown(column) for column in task.spec.drop],
        "saved_bytes": task.saved_bytes,
    }


def _opened_fields(bundle: OpenedBundle) -> Fields:
    return {
        **path_fields("source", bundle.source),
        "file_count": bundle.file_count,
        "byte_count": bundle.byte_count,
    }


def _bundle_fields(task: BundleTask) -> Fields:
    return {
        **path_fields("path", task.path),
        "largest_bytes": task.largest_bytes,
        "file_count": file_count(task),
        "content_bytes": content_bytes(task),
        "is_kept": task.earlier is not None,
    }


def _left_out_fields(left: LeftOut) -> Fields:
    return {**path_fields("path", left.path), "reason": shown(left.reason), "is_folder": left.is_tree}
