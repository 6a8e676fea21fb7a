"""Disk I/O: the one interface through which the executor changes a disk, and helpers for files and folders."""
