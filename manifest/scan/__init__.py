"""Walking and hashing an origin, with a digest cache."""
