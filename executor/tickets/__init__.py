"""Ticket files of a package: write, read, check, and predict their size."""
