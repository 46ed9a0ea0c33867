"""The proof of the control plane: every interleaving of small worlds, in which the product's own functions decide.

explorer ..... every state of a machine of parts, breadth first, and the shortest trace to what must not be
original ..... the design that made the outage of 20 October 2025, in the same explorer
"""
