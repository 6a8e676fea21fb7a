"""Command-line options, one module per verb; `run.py` runs the work and sets the exit code."""
