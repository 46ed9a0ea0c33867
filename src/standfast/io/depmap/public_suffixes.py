"""The public suffix list (https://publicsuffix.org), from the library that is installed with Standfast."""

from functools import lru_cache
from importlib.metadata import version
from typing import Final

from publicsuffixlist import PublicSuffixList

from standfast.depmap.naming import PublicSuffixes

LIBRARY: Final = "publicsuffixlist"
NAMES_MAX: Final = 65_536  # whose suffix is kept: all zones above a name are asked for again and again


def public_suffixes() -> PublicSuffixes:
    """Return the suffixes under which registries register.

    Those of the list's other part are companies' own, of which their zones are no part.
    """
    found = PublicSuffixList(only_icann=True, accept_unknown=False)
    return PublicSuffixes(edition=f"{LIBRARY} {version(LIBRARY)}", suffix_of=lru_cache(NAMES_MAX)(found.publicsuffix))
