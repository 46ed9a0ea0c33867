"""Terraform's state: what is there, what hangs on what, and where it lies."""
