"""Publish: make a staged package visible, and replace moved files of the origin by symlinks."""
