"""The tar format: headers, writer, checksums."""
