"""The options of a plan that is made again, and which plan a problem is about."""

import os
from dataclasses import replace
from typing import Any

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.casa.column_split import Weights
from qa2pack.manifest.format.files import save_durably
from qa2pack.manifest.format.header import Header, MadeWith
from qa2pack.manifest.problem import Code
from qa2pack.pack.errors.replan import last_plan, plan_options
from qa2pack.pack.target import target_of
from support.in_process import Delivery

MADE_WITH = MadeWith(readme=b"", readme_header=b"")


def waits(delivery: Delivery, **fields: Any) -> Header:
    """Have a plan wait that has these fields, and return its header."""
    plan = delivery.plan(Mode.FAKE)
    header = replace(plan.header, **fields)
    save_durably(delivery.package.plan, header, plan.notes, ())
    return header


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, ""),
        ({"made_with": None}, ""),
        ({"append": Append.MEMBER}, " --append member"),
        ({"append": Append.REPLACE, "member": b"group_ouss_id/a b"}, " --replace-member 'group_ouss_id/a b'"),
        ({"layout": "my layout.toml"}, " --layout 'my layout.toml'"),
        ({"may_leave": True}, " --follow-outside"),
        ({"made_with": replace(MADE_WITH, readme=b"/my header")}, " --readme '/my header'"),
        ({"made_with": replace(MADE_WITH, readme_header=b"text of a pipe")}, ""),
        (
            {"made_with": replace(MADE_WITH, include=(("a*", "qa"),), exclude=("b",))},
            " --include 'a*=qa' --exclude b",
        ),
        ({"made_with": replace(MADE_WITH, values=(("unit", "a b"),))}, " --set 'unit=a b'"),
        ({"made_with": replace(MADE_WITH, no_split=True)}, " --no-split"),
        ({"made_with": replace(MADE_WITH, weights=Weights.CASA)}, " --casa-weights"),
        ({"made_with": replace(MADE_WITH, as_is=True)}, " --as-is"),
        ({"made_with": replace(MADE_WITH, compression=9)}, " --compression 9"),
    ],
)
def test_plan_is_made_again_by_the_options_that_made_it(
    delivery: Delivery, fields: dict[str, Any], options: str
) -> None:
    assert plan_options(replace(delivery.made(Mode.FAKE).header, **fields)) == f" --mode fake{options}"


@pytest.mark.parametrize(
    ("code", "fields", "is_advised"),
    [
        (Code.PLAN_STALE, {}, True),
        (Code.PLAN_STALE, {"append": Append.MEMBER}, True),
        (Code.EXTRA, {}, False),
        (Code.PLAN_STALE, {"is_rebuilt": True}, False),
        (Code.PLAN_STALE, {"append": Append.REMOVE}, False),
    ],
)
def test_plan_that_waits_is_advised_again_if_the_problem_is_of_it_and_pack_plan_made_it(
    delivery: Delivery, code: Code, fields: dict[str, Any], is_advised: bool
) -> None:
    header = waits(delivery, **fields)
    assert last_plan(target_of(os.fspath(delivery.path)), code) == (header if is_advised else None)


@pytest.mark.parametrize(("append", "is_advised"), [(Append.NOTHING, True), (Append.MEMBER, False)])
def test_plan_that_was_applied_last_is_advised_unless_it_would_append_once_more(
    delivery: Delivery, append: Append, is_advised: bool
) -> None:
    header = waits(delivery, append=append)
    os.rename(delivery.package.plan, delivery.package.last_plan)
    target = target_of(os.fspath(delivery.path))
    assert last_plan(target, Code.NOT_AS_APPLIED) == (header if is_advised else None)
