"""The shells: sockets, probes, disk, clock, control. Everything that touches the outside is here."""
