"""Where batches run: in line, in a process pool, or on a Dask cluster."""
