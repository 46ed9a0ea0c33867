"""Which files a certificate is in. Data only: whoever shows one reads them."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    """Where a certificate, the authorities between it and a root behind it, and its key lie, both in PEM form."""

    certificate: Path
    key: Path
