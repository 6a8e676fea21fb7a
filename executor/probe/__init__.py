"""Disk probes: what the disks of origin and package can do, tried out before a plan relies on it."""
