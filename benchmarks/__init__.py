"""Measuring the jobs: beside peers, as trees grow, in system calls, and on clusters. docs/measurements.md tells how.

Not part of what is installed. Every script runs from the root of the project as `python -m benchmarks.NAME`,
writes only below the folder that `--dir` names, and removes what it wrote there.
"""
