"""What the system, and OpenSSL, say of a failure, in words for operators. Judges nothing."""

import errno
import os
import ssl
from typing import Final

# Ours and not theirs: the look could not be taken from here, so it says nothing about who is there.
_LOCAL_FAULTS: Final = frozenset(
    {
        errno.ENETUNREACH,
        errno.ENETDOWN,
        errno.EADDRNOTAVAIL,
        errno.EAFNOSUPPORT,
        errno.EACCES,
        errno.EPERM,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EINVAL,
    }
)


def in_words(error: OSError) -> str:
    """Return what is said of `error`, without numbers; empty where nothing is."""
    match error:
        case ssl.SSLCertVerificationError():
            text = f"no trust in its certificate: {error.verify_message}".rstrip(".")
        case ssl.SSLError():
            text = f"TLS: {(error.reason or 'the connection was closed').lower().replace('_', ' ')}"
        case _:
            text = os.strerror(error.errno) if error.errno else str(error)
            text = text[:1].lower() + text[1:]
    return text


def is_local(error: OSError) -> bool:
    """Say whether `error` is ours: a look at somebody could not be taken from here."""
    return not isinstance(error, ssl.SSLError) and error.errno in _LOCAL_FAULTS
