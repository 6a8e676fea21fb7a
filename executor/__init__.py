"""Executor: applies a plan (stage, commit, publish), resumes after a stop at any moment, and rolls back.

The only part that changes a package or an origin. It does not decide what a package holds: the plan does. Imports
`manifest`, never `tarsplit`.
"""
