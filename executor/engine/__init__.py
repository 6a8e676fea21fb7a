"""Engines: where batches run: in this process, in a process pool, or on a Dask cluster."""
