"""URLs in what people write: of http or https, whole, and without a secret in them."""

from urllib.parse import urlsplit


def check_url(text: str, what: str, like: str, *, secrets: str = "") -> str:
    """Return `text`, a URL.

    Args:
        text: as it is written.
        what: what it is to be, for people: "URL".
        like: one that would do.
        secrets: what to do with a password instead of writing it there.

    Raises:
        ValueError: it is none, or holds a password; says what to write.
    """
    try:
        url = urlsplit(text)
        good = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:  # brackets that do not match, or a port that cannot be
        good = False
    if not good or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(f'"{text}" is no {what} - write it like "{like}"')
    if urlsplit(text).username is not None:  # it would be shown wherever the address is
        raise ValueError("no password belongs into it" + (f" - {secrets}" if secrets else ""))
    return text
