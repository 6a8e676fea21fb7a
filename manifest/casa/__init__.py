"""CASA tables without casacore: what can be read from `table.dat` alone."""
