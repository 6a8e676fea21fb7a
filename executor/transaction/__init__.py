"""Journal, recovery, paths, history and lock of a transaction."""
