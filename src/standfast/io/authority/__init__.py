"""The authority running: zones read, served, transferred, changed and kept on the disk."""
