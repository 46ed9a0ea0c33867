"""The proof of the control plane: its own functions decide in every interleaving of small worlds, and in large ones.

What is explored:
    explorer ........ every state of a machine of parts, breadth first, and the shortest trace to what must not be
    parts ........... what a state of the small world consists of
    world ........... who moves in it, and all that goes wrong
    intents ......... what the product's planner makes its plans from
    told ............ what happens, in plain words
    invariants ...... what must hold
    configurations .. the worlds that are explored whole
    sabotage ........ deliberate bugs that must be caught
    original ........ the design that made the outage of 20 October 2025, in the same explorer
    proof ........... all of it together
What is simulated:
    regions ......... endpoints that fall ill, and what the product believes of them
    large ........... ten enactors, a thousand names, two days of all that goes wrong
    fleet ........... many of these on all cores
"""
