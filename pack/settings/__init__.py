"""Settings: keys, files, and where an option has its value from."""
