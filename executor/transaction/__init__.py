"""Transaction: journal, recovery, paths, history, package lock, and detection of the published tree."""
