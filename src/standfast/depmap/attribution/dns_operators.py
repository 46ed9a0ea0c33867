"""Operators of DNS whose servers' names do not tell at a glance: they have several domains, or their customers' names.

What an operator calls its servers is public in every delegation to it, what stands in the SOA of its zones too. Who is
not in here is told by its domain: see `standfast.depmap.attribution.operators`.
"""

import re
from typing import Final

from standfast.dns.model import Name
from standfast.dns.name import is_below

OPERATOR: Final = "dns:"  # what the name of an operator's cause begins with

# Domains of name servers, by operator. Where an operator is a provider as well, it is called as that is.
DOMAINS: Final[dict[str, tuple[str, ...]]] = {
    "akamai": ("akam.net", "akamai.net", "akamaiedge.net", "akadns.net", "akadns.org"),
    "alibaba": ("alidns.com", "hichina.com"),
    "azure": ("azure-dns.com", "azure-dns.net", "azure-dns.org", "azure-dns.info"),
    "cloudflare": ("cloudflare.com", "cloudflare.net", "foundationdns.com", "foundationdns.net", "foundationdns.org"),
    "digicert": ("dnsmadeeasy.com", "constellix.com", "constellix.net"),
    "dnsimple": ("dnsimple.com", "dnsimple-edge.com", "dnsimple-edge.net", "dnsimple-edge.org"),
    "easydns": ("easydns.com", "easydns.net", "easydns.org", "easydns.info"),
    "godaddy": ("domaincontrol.com",),
    "google": ("google.com", "googledomains.com"),
    "hetzner": ("hetzner.com", "hetzner.de", "first-ns.de", "second-ns.de", "second-ns.com"),
    "ionos": ("ui-dns.com", "ui-dns.de", "ui-dns.org", "ui-dns.biz"),
    "ns1": ("nsone.net",),
    "oracle": ("dynect.net", "oraclecloud.net"),
    "ovh": ("ovh.net", "anycast.me"),
    "ultradns": (
        "ultradns.com", "ultradns.net", "ultradns.org", "ultradns.biz", "ultradns.info", "ultradns.co.uk",
        "ultradns2.com", "ultradns2.net", "ultradns2.org", "ultradns2.biz",
    ),
    "verisign": ("gtld-servers.net", "edu-servers.net", "nstld.com", "verisigndns.com"),
}  # fmt: skip

# The root's servers have one domain, and twelve operators (https://www.iana.org/domains/root/servers).
ROOT_SERVERS: Final = {
    "aj": "verisign",
    "b": "usc-isi",
    "c": "cogent",
    "d": "umd",
    "e": "nasa",
    "f": "isc",
    "g": "disa",
    "h": "arl",
    "i": "netnod",
    "k": "ripe",
    "l": "icann",
    "m": "wide",
}

# Of an SOA's RNAME: servers may have their customer's name, the mailbox stays the operator's.
MAILBOXES: Final[dict[Name, str]] = {
    "awsdns-hostmaster.amazon.com.": "aws",
    "azuredns-hostmaster.microsoft.com.": "azure",
    "cloud-dns-hostmaster.google.com.": "google",
    "dns.cloudflare.com.": "cloudflare",
    "hostmaster.nsone.net.": "ns1",
}

_ROUTE53: Final = re.compile(r"(?:.*\.)?awsdns-\d+\.(?:com|net|org|co\.uk)")  # a domain for each few hundred zones
_BY_DOMAIN: Final = {domain: operator for operator, domains in DOMAINS.items() for domain in domains} | {
    f"{letter}.root-servers.net": operator for letters, operator in ROOT_SERVERS.items() for letter in letters
}


def known_operator(server: str) -> str | None:
    """Return the operator ("dns:aws") that the name server `server`, a node, has its name from; None: not in here."""
    if _ROUTE53.fullmatch(server):
        return f"{OPERATOR}aws"
    while server:
        if server in _BY_DOMAIN:
            return OPERATOR + _BY_DOMAIN[server]
        server = server.partition(".")[2]
    return None


def operator_of_soa(origin: Name, primary: Name, mailbox: Name) -> str | None:
    """Return the operator of the zone at `origin` by its SOA's MNAME and RNAME (RFC 1035 section 3.3.13).

    None where they do not say: an MNAME in the zone itself is one server's name, like the others there.
    """
    if mailbox in MAILBOXES:
        return OPERATOR + MAILBOXES[mailbox]
    return None if is_below(primary, origin) else known_operator(primary[:-1])
