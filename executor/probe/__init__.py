"""Trying out what the disks of origin and package can do, before a plan that relies on it is saved."""
