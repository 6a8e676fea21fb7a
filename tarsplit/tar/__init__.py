"""The tar format: headers, writer, checksums of a tar."""
