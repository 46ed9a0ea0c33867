"""Evidence: what a probe or an opinion proves, whom a probe may be aimed at, and its budget. Pure."""
