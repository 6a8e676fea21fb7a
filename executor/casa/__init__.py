"""Everything that touches casacore, in a child process."""
