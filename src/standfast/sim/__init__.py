"""The simulator: a seeded world in virtual time, the real guard in it, its rivals, scores, checkers and saboteurs.

events ....... what can happen to a world, a closed set
world ........ zones, records and hosts; what the owner means; who holds which address
resolvers .... the recursive resolvers that everybody asks, with caches and faults of their own
script ....... one story: a world, its timeline, how often its names are looked up
scoring ...... outage, wrong-hold and attack seconds; also for the live drill
rivals ....... obey, RFC 8767 and prefer_positive, modelled
store ........ a disk that may lose its last instants
guard ........ the real `guard.resolver.Resolver` and its shell in virtual time
checkers ..... what must hold in every world
simulation ... all of it put together: one script, one seed, one trace
worlds ....... seeded random scripts
sabotage ..... deliberate bugs that checkers and scores must catch
fleet ........ many worlds on all cores
"""
