"""State: what survives a restart, known-good answers and the ledger."""
