"""casacore: everything that calls it, always in a child process: describe, measure and split tables."""
