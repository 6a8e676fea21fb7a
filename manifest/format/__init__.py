"""File format of plans and manifests: records, streams, header, notes."""
