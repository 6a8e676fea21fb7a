"""One module per verb: the work without printing. The Python API calls these."""
