"""Remedies for values of variables, which texts of problems name, too; apart, so that these need no layouts."""

from qa2pack.manifest.problem import Remedy

SET_ONE = Remedy(
    "Write --set NAME=VALUE with a variable of the layout. To see which it has:", ("pack layout --check NAME",)
)
PLAN_ONE = Remedy("Plan one of them, with its value:", ("pack plan ORIGIN PACKAGE --mode MODE --set PATH",))
