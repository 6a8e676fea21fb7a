"""Cuts a package into tar chunks by the sizes in its manifests.

Reads packages and writes tar files; never changes a package. Imports `manifest`, never `executor`.
"""
