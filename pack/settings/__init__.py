"""Settings: keys of `pack.toml`, files, environment, and the source of each option's value."""
