"""Upstreams: how queries of ours go out, by every transport, and what comes back."""
