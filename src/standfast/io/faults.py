"""What the system, and OpenSSL, say of a failure, in words for operators. Judges nothing."""

import os
import ssl


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
