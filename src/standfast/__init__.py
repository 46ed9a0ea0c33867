"""Standfast keeps the names that services are reached by correct. The rooms are the packages below."""
