"""The control plane's core: what names are meant to be, the plan that makes them so, and the fence it is published by.

The order of the process: intent and health -> plan -> rules -> fenced publish -> verify. Decides only.
"""
