"""The proof of the control plane: every interleaving of small worlds, in which the product's own functions decide.

What is explored:
    explorer ........ every state of a machine of parts, breadth first, and the shortest trace to what must not be
    parts ........... what a state of the small world consists of
    world ........... who moves in it, and all that goes wrong
    intents ......... what the product's planner makes its plans from
    told ............ what happens, in plain words
    invariants ...... what must hold
    configurations .. the worlds that are explored whole
    original ........ the design that made the outage of 20 October 2025, in the same explorer
"""
