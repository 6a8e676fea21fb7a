"""View of `pack package`: the result of the apply; the plan was shown before it was applied."""

from qa2pack.executor.apply import Applied
from qa2pack.pack.target import Target
from qa2pack.pack.views.apply import apply_view
from qa2pack.pack.views.json_fields import Fields
from qa2pack.pack.views.view import View


def package_view(planned: Fields, result: Applied, target: Target) -> View:
    """Return the view of an apply whose plan was made under the same lock.

    Args:
        planned: the fields of the plan, which precede those of the apply.
    """
    applied = apply_view(result, target)
    return View(lines=applied.lines, fields=lambda: {**planned, **applied.fields()}, code=applied.code)
