"""The command line: one file for each verb of `standfast`. Parses, asks, prints; decides nothing."""
