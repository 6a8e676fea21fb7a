"""Makes a plan true: stages, commits, publishes, and can be resumed after a stop at any moment.

The only part that changes a package or an origin. It decides nothing about what a package holds: that stands
in the plan. Imports `manifest`, never `tarsplit`.
"""
