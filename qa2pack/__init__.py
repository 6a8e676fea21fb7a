"""The one import root: `pack`, `manifest`, `executor` and `tarsplit` are everybody's names, ours are below it.

In the repository the four folders are at the top and symlinks here; installed, they are folders of this package.
"""
