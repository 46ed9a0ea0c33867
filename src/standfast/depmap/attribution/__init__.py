"""Whose an address, a name server or a host name is: providers, regions, networks and operators of DNS."""
