"""The authority: zones as immutable snapshots, and what they answer. Pure."""
