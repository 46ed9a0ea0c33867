"""Settings: what `standfast.toml` says, checked, and where files are looked for."""
