"""The control plane running: what is wanted read, plans kept, published, looked at and written down."""
