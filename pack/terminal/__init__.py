"""The terminal: style, progress, output streams, log file."""
