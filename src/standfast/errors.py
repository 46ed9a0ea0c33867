"""The one tree of errors; every room hangs its own below `StandfastError`.

    StandfastError
    |- BadName ................. dns: a text is not a domain name
    |- ConfigError ............. io: a configuration cannot be used (carries every finding)
    |- LedgerError ............. ledger: a ledger cannot be read or written
    |  `- MalformedRecord
    |- StoreError .............. io: a state file cannot be used
    |- ControlError ............ io: the running process cannot be reached, or refused a command
    `- DrillError .............. drills: a drill cannot be loaded or run

Expected outcomes (`NoData`, `Timeout`, ...) are values, not errors.
"""


class StandfastError(Exception):
    """Root of every error that this package raises on purpose."""
