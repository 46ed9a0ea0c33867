"""How providers name their hosts."""

import pytest

from standfast.depmap.assembly import assemble
from standfast.depmap.attribution.host_names import causes_of_host, providers_of_host_names
from standfast.depmap.graph import Kind, all_of
from standfast.depmap.loss import blast_radius
from standfast.depmap.statements import Is, Needs, Reading, Told, Witness

BY = Witness(reader="zone", where="example.com.zone")


def causes(name: str) -> list[str]:
    return [cause for _, cause in causes_of_host(name)]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("shop.eastus.cloudapp.azure.com", ["provider:azure", "region:azure/eastus"]),
        ("shop-a1b2c3.hcp.westeurope.azmk8s.io", ["provider:azure", "region:azure/westeurope"]),
        ("shop-a1b2c3.canadacentral-01.azurewebsites.net", ["provider:azure", "region:azure/canadacentral"]),
        ("shop.azurewebsites.net", ["provider:azure"]),
        ("shop.blob.core.windows.net", ["provider:azure"]),
        ("shop-123456.europe-west1.run.app", ["provider:google", "region:google/europe-west1"]),
        ("shop-a1b2c3-ew.a.run.app", ["provider:google"]),
        ("us-central1-shop.cloudfunctions.net", ["provider:google", "region:google/us-central1"]),
        ("us-central1-aiplatform.googleapis.com", ["provider:google", "region:google/us-central1"]),
        ("storage.googleapis.com", ["provider:google"]),
        ("europe-west4-docker.pkg.dev", ["provider:google", "region:google/europe-west4"]),
        ("objectstorage.us-ashburn-1.oraclecloud.com", ["provider:oracle", "region:oracle/us-ashburn-1"]),
        ("n.objectstorage.uk-london-1.oci.customer-oci.com", ["provider:oracle", "region:oracle/uk-london-1"]),
        ("www.example.com.cdn.cloudflare.net", ["provider:cloudflare"]),
        ("www.example.com.edgekey.net", ["provider:akamai"]),
        ("shop.nyc3.digitaloceanspaces.com", ["provider:digitalocean", "region:digitalocean/nyc3"]),
        (
            "db-postgresql-fra1-12345-do-user-1-0.b.db.ondigitalocean.com",
            ["provider:digitalocean", "region:digitalocean/fra1"],
        ),
        ("oss-cn-hangzhou-internal.aliyuncs.com", ["provider:alibaba", "region:alibaba/cn-hangzhou"]),
        ("s3.fr-par.scw.cloud", ["provider:scaleway", "region:scaleway/fr-par"]),
        ("shop.herokuapp.com", ["provider:heroku"]),
    ],
)
def test_a_host_name_says_its_provider_and_its_region_where_it_does(name: str, found: list[str]) -> None:
    assert causes(name) == found


@pytest.mark.parametrize(
    ("name", "own", "cloud", "region"),
    [
        ("pkc-1abcd.us-east-1.aws.confluent.cloud", "confluent", "aws", "us-east-1"),
        ("pkc-1abcd.us-west4.gcp.confluent.cloud", "confluent", "google", "us-west4"),
        ("a1b2c3.us-east-1.aws.found.io", "elastic", "aws", "us-east-1"),
        ("a1b2c3.eastus2.azure.elastic-cloud.com", "elastic", "azure", "eastus2"),
        ("ep-cool-1234.eu-central-1.aws.neon.tech", "neon", "aws", "eu-central-1"),
        ("aws-0-us-east-1.pooler.supabase.com", "supabase", "aws", "us-east-1"),
        ("shop-123.7tt.aws-eu-west-1.cockroachlabs.cloud", "cockroachlabs", "aws", "eu-west-1"),
        ("free-tier.gcp-us-central1.cockroachlabs.cloud", "cockroachlabs", "google", "us-central1"),
        ("a1b2c3.us-west-2.aws.clickhouse.cloud", "clickhouse", "aws", "us-west-2"),
    ],
)
def test_who_runs_in_a_region_of_another_goes_down_with_it(name: str, own: str, cloud: str, region: str) -> None:
    assert causes(name) == [f"provider:{own}", f"provider:{cloud}", f"region:{cloud}/{region}"]


@pytest.mark.parametrize(
    "name", ["www.example.com", "azure.com", "shop.notazure.com", "run.app", "localhost", "us-east-1.aws.example.com"]
)
def test_other_names_say_nothing(name: str) -> None:
    assert causes(name) == []


def test_the_loss_of_a_region_takes_a_service_down_that_hangs_on_it_by_a_name_alone() -> None:
    broker = "pkc-1abcd.us-east-1.aws.confluent.cloud"
    told = (Told(Needs("shop", all_of(broker)), BY),)
    found = assemble([Reading(told=told)], [providers_of_host_names])
    assert blast_radius(found.graph, ["region:aws/us-east-1"]).down["shop"] == (
        "shop",
        broker,
        "region:aws/us-east-1",
    )
    assert found.witnesses[broker, "region:aws/us-east-1"] == (
        Witness(reader="host names", where="how confluent names its hosts"),
    )


def test_only_names_are_looked_at() -> None:
    told = (Told(Is("shop.herokuapp.com", Kind.SERVICE), BY),)
    assert not assemble([Reading(told=told)], [providers_of_host_names]).graph.causes
