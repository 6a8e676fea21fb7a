"""Files of a plan that stay real where its mode would make empty ones: they were moved into the package."""

from manifest.package import Standing
from manifest.planfile import Described
from manifest.record import Action, decode_record


def carried(plan: Described) -> tuple[int, int]:
    """Return files and bytes that a plan of placeholders takes over with their content; else (0, 0)."""
    if plan.header.mode.has_content or plan.header.standing is not Standing.PACKAGE:
        return 0, 0
    sizes = [
        size
        for record in map(decode_record, plan.stream.blobs())
        for size, action in zip(record.sizes, record.actions, strict=True)
        if action == Action.CARRY
    ]
    return len(sizes), sum(sizes)
