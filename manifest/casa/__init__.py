"""What can be read of a CASA table without casacore."""
