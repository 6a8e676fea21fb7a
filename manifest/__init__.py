"""What the package should be: survey, layout rules, names, plan, manifest, diff and verify.

Everything up to and including the plan is a value, made without changing origin or package. The only files
written from here are plans and manifests. Imports neither `executor` nor `tarsplit`.
"""
