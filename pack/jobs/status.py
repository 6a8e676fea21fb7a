"""Status: the work of finding out in which state a package is, and what apply and rollback would refuse."""

from dataclasses import replace

from qa2pack.executor.status import State, Status, read_status
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.fs.at_once import calls_at_once
from qa2pack.manifest.fs.latency import useful_calls
from qa2pack.manifest.problem import Problem, Refused


def status(package: Package, opened: OpenedFiles) -> Status:
    """Return the state of package, lock, journal and plan; raises as `executor.status.read_status`.

    A waiting plan is compared with what it relies on, and what the last apply made with its manifest, by names, types
    and sizes: what is offered is to be accepted.
    """
    found = read_status(package, opened)
    match found:
        case Status(state=State.PLANNED, plan=Described() as plan):
            return replace(found, plan_problems=plan_problems(package, plan, opened))
        case Status(state=State.FINISHED) if found.member_count:
            from qa2pack.executor.rollback_checks import rollback_obstacles  # these checks of this state alone

            with calls_at_once(useful_calls((package.path,))):
                return replace(found, rollback_problems=rollback_obstacles(package, opened))
        case _:
            return found


def plan_problems(package: Package, plan: Described, opened: OpenedFiles) -> tuple[Problem, ...]:
    """Return why a waiting plan would be refused: what it relies on has changed."""
    from qa2pack.executor.preflight import check_plan

    try:
        check_plan(package, plan, opened)
    except Refused as error:
        return error.problems
    return ()
