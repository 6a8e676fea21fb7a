"""Scan: walk and hash an origin in batches, with a digest cache."""
