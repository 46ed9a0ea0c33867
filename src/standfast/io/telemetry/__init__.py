"""Telemetry: what others can see of a running guard, by logs, metrics, health and traces."""
