"""What holds of a zone where its settings say nothing else. Data only, so that settings are read without a signer."""

from typing import Final

LOSS_MAX: Final = 0.5  # of a zone's names at once: half a file is nearly always less than that (docs/decisions/0015)
LIFETIME_DEFAULT_S: Final = 14 * 86_400  # RFC 6781 section 4.4.2.1: long enough to mend what is broken on Monday
DNSKEY_TTL_DEFAULT_S: Final = 3_600
PROPAGATION_DEFAULT_S: Final = 3_600  # until the last secondary has what is served here
PARENT_PROPAGATION_DEFAULT_S: Final = 3_600
DS_TTL_DEFAULT_S: Final = 86_400  # as most registries have it
