"""The simulator: a seeded world in virtual time, the real guard in it, its rivals, scores, checkers and saboteurs.

What there is:
    events ....... what can happen to a world, a closed set
    world ........ zones, records and hosts; what the owner means; who holds which address
    resolvers .... the recursive resolvers that everybody asks, with caches and faults of their own
    script ....... one story: a world, its timeline, how often its names are looked up
    scoring ...... outage, wrong-hold and attack seconds; also for the live drill
Who plays in it:
    guard ........ the real `guard.resolver.Resolver`, and its shell in virtual time
    store ........ its disk, which may lose the last instants
    rivals ....... obey, RFC 8767 and prefer_positive, modelled
Who watches:
    invariants ... what must hold in every world, in words
    promises ..... watches what the guard says to its clients
    conduct ...... watches how it behaves
    said ......... which addresses were ever said for a name
    trace ........ writes everything down
    sabotage ..... deliberate bugs that the watchers or the scores must catch
How it runs:
    simulation ... all of it put together: one script, one seed, one trace
    plots ........ small scripts of one plot each
    worlds ....... seeded random scripts
    fleet ........ many worlds on all cores
    workers ...... the processes for it, which end with their parent
"""
