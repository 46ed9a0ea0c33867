"""Clients: where they are listened for, who is served, and how what they ask and get goes over the wire."""
