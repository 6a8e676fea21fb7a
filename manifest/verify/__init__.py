"""Comparing a package with its manifests and with checksum files."""
