"""Control: how the command line speaks to a running guard."""
