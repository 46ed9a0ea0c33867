"""Which provider a host name is given out by, and in which region: how providers other than AWS name their hosts.

Some run in the region of another provider, and say so: `pkc-1.us-east-1.aws.confluent.cloud` goes down with
`region:aws/us-east-1`. Of AWS's own names `standfast.depmap.attribution.aws` tells.
"""

import re
from collections.abc import Iterator
from typing import Final

from standfast.depmap.graph import Kind
from standfast.depmap.merging import DependencyMap
from standfast.depmap.statements import Reading, Shares, Told, Witness

READER: Final = "host names"

_AWS: Final = r"[a-z]{2}(?:-gov)?-[a-z]+-\d"
_GOOGLE: Final = r"[a-z]+-[a-z]+\d{1,2}"
_AZURE: Final = r"[a-z]{5,20}\d?"
_ORACLE: Final = r"[a-z]{2}-[a-z]+-\d"
_CLOUDS: Final = {"aws": "aws", "gcp": "google", "azure": "azure"}  # as those write it who run on them

# What stands in front of a suffix, where it says a region: the whole of it has to match.
_LAST_LABEL: Final = r"(?:.+\.)?(?P<region>{})"
_ANY_LABEL: Final = r"(?:.+\.)?(?P<region>{})(?:\..+)?"
_CLOUD_LAST: Final = rf"(?:.+\.)?(?P<region>{_AWS}|{_GOOGLE}|{_AZURE})\.(?P<cloud>aws|gcp|azure)"
_CLOUD_FIRST: Final = rf"(?:.+\.)?(?P<cloud>aws|gcp|azure)(?:-\d+)?-(?P<region>{_AWS}|{_GOOGLE})"

# By the suffix of the names that it gives out: the provider, and where in front of it a region stands.
_HOSTS: Final[dict[str, tuple[str, str]]] = {
    "azure-api.net": ("azure", ""),
    "azure.com": ("azure", ""),
    "azure.net": ("azure", ""),
    "azurecontainer.io": ("azure", _LAST_LABEL.format(_AZURE)),
    "azurecontainerapps.io": ("azure", _LAST_LABEL.format(_AZURE)),
    "azurecr.io": ("azure", ""),
    "azuredatabricks.net": ("azure", ""),
    "azureedge.net": ("azure", ""),
    "azurefd.net": ("azure", ""),
    "azurestaticapps.net": ("azure", ""),
    "azurewebsites.net": ("azure", rf".+\.(?P<region>{_AZURE})-\d\d"),
    "azmk8s.io": ("azure", _LAST_LABEL.format(_AZURE)),
    "cloudapp.azure.com": ("azure", rf".+\.(?P<region>{_AZURE})"),
    "cloudapp.net": ("azure", ""),
    "trafficmanager.net": ("azure", ""),
    "windows.net": ("azure", ""),
    "appspot.com": ("google", ""),
    "cloudfunctions.net": ("google", rf"(?P<region>{_GOOGLE})-.+"),
    "firebaseapp.com": ("google", ""),
    "gcr.io": ("google", ""),
    "googleapis.com": ("google", rf"(?P<region>{_GOOGLE})-[a-z]+"),
    "googlehosted.com": ("google", ""),
    "googleusercontent.com": ("google", ""),
    "pkg.dev": ("google", rf"(?P<region>{_GOOGLE})-[a-z]+"),
    "rep.googleapis.com": ("google", rf".+\.(?P<region>{_GOOGLE})"),
    "run.app": ("google", rf".+\.(?P<region>{_GOOGLE})"),
    "web.app": ("google", ""),
    "customer-oci.com": ("oracle", _ANY_LABEL.format(_ORACLE)),
    "oraclecloud.com": ("oracle", _ANY_LABEL.format(_ORACLE)),
    "cdn.cloudflare.net": ("cloudflare", ""),
    "cfargotunnel.com": ("cloudflare", ""),
    "cloudflarestorage.com": ("cloudflare", ""),
    "pages.dev": ("cloudflare", ""),
    "r2.dev": ("cloudflare", ""),
    "workers.dev": ("cloudflare", ""),
    "edgecompute.app": ("fastly", ""),
    "fastly.net": ("fastly", ""),
    "fastlylb.net": ("fastly", ""),
    "akadns.net": ("akamai", ""),
    "akamai.net": ("akamai", ""),
    "akamaiedge.net": ("akamai", ""),
    "akamaized.net": ("akamai", ""),
    "edgekey.net": ("akamai", ""),
    "edgesuite.net": ("akamai", ""),
    "linodeobjects.com": ("linode", _LAST_LABEL.format(r"[a-z]{2}-[a-z]+-\d")),
    "db.ondigitalocean.com": ("digitalocean", r"[a-z-]+-(?P<region>[a-z]{3}\d)-\d+-.+"),
    "digitaloceanspaces.com": ("digitalocean", _LAST_LABEL.format(r"[a-z]{3}\d")),
    "ondigitalocean.app": ("digitalocean", ""),
    "scw.cloud": ("scaleway", _LAST_LABEL.format(r"[a-z]{2}-[a-z]{3}")),
    "backblazeb2.com": ("backblaze", _LAST_LABEL.format(r"[a-z]{2}-[a-z]+-\d{3}")),
    "wasabisys.com": ("wasabi", _LAST_LABEL.format(r"[a-z]{2}-[a-z]+-\d")),
    "your-objectstorage.com": ("hetzner", _LAST_LABEL.format(r"[a-z]{3}\d")),
    "aliyuncs.com": ("alibaba", r"(?:.+\.)?(?:oss-)?(?P<region>(?:ap|cn|eu|me|us)-[a-z]+(?:-\d)?)(?:-internal)?"),
    "myqcloud.com": ("tencent", _LAST_LABEL.format(r"[a-z]{2}-[a-z]+")),
    "b-cdn.net": ("bunny", ""),
    "fly.dev": ("fly", ""),
    "github.io": ("github", ""),
    "gitlab.io": ("gitlab", ""),
    "herokuapp.com": ("heroku", ""),
    "herokudns.com": ("heroku", ""),
    "incapdns.net": ("imperva", ""),
    "myshopify.com": ("shopify", ""),
    "netlify.app": ("netlify", ""),
    "onrender.com": ("render", ""),
    "vercel-dns.com": ("vercel", ""),
    "vercel.app": ("vercel", ""),
    "clickhouse.cloud": ("clickhouse", _CLOUD_LAST),
    "cockroachlabs.cloud": ("cockroachlabs", _CLOUD_FIRST),
    "confluent.cloud": ("confluent", _CLOUD_LAST),
    "cloud.es.io": ("elastic", _CLOUD_LAST),
    "elastic-cloud.com": ("elastic", _CLOUD_LAST),
    "found.io": ("elastic", _CLOUD_LAST),
    "mongodb.net": ("mongodb", ""),
    "neon.tech": ("neon", _CLOUD_LAST),
    "pooler.supabase.com": ("supabase", _CLOUD_FIRST),
    "snowflakecomputing.com": ("snowflake", _CLOUD_LAST),
    "supabase.co": ("supabase", ""),
}
_SPELLED: Final = {suffix: re.compile(where) for suffix, (_, where) in _HOSTS.items() if where}


def providers_of_host_names(found: DependencyMap) -> Reading:
    """Tell of every name that a provider gave out what it goes down with."""
    return Reading(
        told=tuple(
            Told(Shares(node.name, cause), Witness(reader=READER, where=f"how {provider} names its hosts"))
            for node in found.graph.nodes.values()
            if node.kind is Kind.NAME
            for provider, cause in causes_of_host(node.name)
        )
    )


def causes_of_host(name: str) -> Iterator[tuple[str, str]]:
    """Yield what the host `name` goes down with, each with the provider whose name says so; nothing of most names."""
    labels = name.split(".")
    for at in range(1, len(labels) - 1):
        suffix = ".".join(labels[at:])
        if suffix in _HOSTS:
            provider, _ = _HOSTS[suffix]
            yield provider, f"provider:{provider}"
            spelled = _SPELLED.get(suffix)
            if spelled and (match := spelled.fullmatch(".".join(labels[:at]))):
                cloud = _CLOUDS[match["cloud"]] if "cloud" in spelled.groupindex else provider
                if cloud != provider:
                    yield provider, f"provider:{cloud}"
                yield provider, f"region:{cloud}/{match['region']}"
            return
