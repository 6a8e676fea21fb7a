"""What a package should hold: survey of the origin, layout rules, names, plan, manifest, diff, verify.

Everything up to the plan, and the plan itself, is a value. Neither the origin nor the package is changed. The only
files written from here are plans and manifests. Imports neither `executor` nor `tarsplit`.
"""
