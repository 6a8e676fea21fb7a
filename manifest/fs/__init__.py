"""Reading file systems: opening safely, digests, throttle, looks that hide no error."""
