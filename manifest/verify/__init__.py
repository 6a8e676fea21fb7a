"""Verify: compares a package with its manifests, and computes checksum lists."""
