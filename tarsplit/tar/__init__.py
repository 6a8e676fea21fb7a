"""Tars of a delivery: their checksums."""
