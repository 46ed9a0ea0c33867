"""Tells systemd how the service is, where it wants to know: sd_notify(3), which is one datagram."""

import os
import socket


def tell(state: str) -> None:
    """Send `state`, like `READY=1`, to `$NOTIFY_SOCKET`; without one do nothing."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]  # a name in the abstract namespace, unix(7)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.connect(address)
            sender.sendall(state.encode())
        except OSError:
            pass  # nobody listens any more; that is no reason to stop answering
