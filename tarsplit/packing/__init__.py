"""Bin packing: which entry goes into which chunk."""
