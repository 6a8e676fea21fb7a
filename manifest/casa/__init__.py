"""CASA tables without casacore: what `table.dat` says, and which files change when columns are dropped."""
