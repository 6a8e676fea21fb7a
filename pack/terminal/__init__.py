"""Terminal output: colours and folding, progress bar, output streams that may fail, log file."""
