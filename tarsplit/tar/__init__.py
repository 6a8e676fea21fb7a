"""Tars of a delivery: writer and checksums."""
