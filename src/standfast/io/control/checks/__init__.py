"""How an endpoint is looked at: one function for each kind of check, each a `control.health.Look` whatever happens."""
