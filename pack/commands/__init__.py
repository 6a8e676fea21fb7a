"""One module per verb of the command line: options only; `run.py` ends them all alike."""
