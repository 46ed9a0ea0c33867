"""Fault trees: gates over basic events, how probable the top event is, and by which events. Knows no graph."""
