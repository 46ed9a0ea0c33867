"""Drills: outages rehearsed, and scored for the guard and its rivals on the same events.

library/*.json ... the drills, each a Chaos Toolkit experiment
scenario ......... reads and checks such a file
stage ............ plays its steps in the simulator, and answers its probes
chaos ............ the experiment's actions and probes, for Chaos Toolkit
runner ........... plays a whole drill and says what was expected, what came, and what it cost whom
live/ ............ the parts of the live drill
"""
