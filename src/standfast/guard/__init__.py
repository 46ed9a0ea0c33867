"""The guard: known-good memory, outcomes, the judge and its policy, the resolver as a state machine. Pure."""
