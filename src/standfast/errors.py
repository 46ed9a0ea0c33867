"""The one tree of errors; every room hangs its own below `StandfastError`, and a test compares.

    StandfastError
    |- NotYaml ........... yaml_nodes: octets are no YAML that can be read
    |- BadName ........... dns: a text is not a domain name
    |- WireError ......... dns: octets are not a message
    |  `- OptError
    |- RdataError ........ dns: a text or octets are not data of a record
    |- MasterFileError ... dns: a file that a zone is made of cannot be had
    |- RollError ......... authority: a roll of keys cannot begin, or go on
    |- PublisherError ... control: what is published cannot be read
    |- PlanStoreError ... control: the store of plans cannot be used
    |- ModelError ....... depmap: a model that means nothing
    |  `- LoopError
    |- LedgerError ....... ledger: a ledger cannot be read or written
    |  |- UnfitValue
    |  `- MalformedRecord
    |     `- ChangedRecord
    |- ConfigError ....... io: a configuration cannot be used; carries every finding
    |- CertificateError .. io: the certificate to show clients cannot be used
    |- ListenError ....... io: an address cannot be listened on
    |- WorkerError ....... io: a worker does not start
    |- StoreError ........ io: a state directory or file cannot be used
    |- CannotSign ........ io: a zone that is to be signed, and cannot be
    |- PlanFilesError .... io: plans cannot be kept beside the ledger, or read there
    |- RestoreError ...... io: names cannot be brought back
    |- KeyFileError ...... io: a key of a signed zone cannot be used
    |- ZoneFileError ..... io: a zone must not be served; carries everything that is wrong
    |- UnfitZone ......... io: a new version of a zone must not be served; carries everything that is wrong
    |- StaleZone ......... io: a new version of a zone is not made from what is served
    |- PublisherUnusable . io: a publisher cannot be used in this process
    |- ControlError ...... io: the running process cannot be reached, or refused a command
    |- DrillError ........ drills: a drill cannot be loaded or run
    `- PartFailed ........ drills: a server or client of the live drill did not start, or ended

Expected outcomes (`NoData`, `Timeout`, ...) are values, not errors.
"""


class StandfastError(Exception):
    """Root of every error that this package raises on purpose."""
