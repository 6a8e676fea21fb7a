"""Reading file systems: safe open, digests, throttle, existence checks that hide no error."""
