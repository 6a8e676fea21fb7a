"""Manifests and plans on disk: records, streams, header, notes."""
