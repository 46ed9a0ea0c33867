"""What Terraform's types of resources mean for a map: tables, to be read and added to without knowing the reader.

Where a type stands nowhere here, its resources have what holds for all: their dependencies, the resources that their
attributes name, their place, and for AWS the API that made them.
"""

from dataclasses import dataclass
from typing import Final

# Providers of what only exists in Terraform: a random name, a file, a pause.
WITHOUT_INFRASTRUCTURE: Final = frozenset(
    "archive cloudinit ct external http local null random template terraform time tls".split()
)

# Those of whose resources it is known where they are.
PROVIDERS: Final = frozenset("aws azapi azurerm cloudflare fastly google oci".split())

# Resources that join two others, or say what somebody may. What they join is told; nothing can lose them.
JOINTS: Final = (
    "_acl",
    "_association",
    "_attachment",
    "_event_source_mapping",
    "_listener_rule",
    "_membership",
    "_notification",
    "_ownership_controls",
    "_permission",
    "_policy",
    "_public_access_block",
    "_security_group_rule",
    "_tag",
    "_validation",
    "_versioning",
)

# What is looked up and not made, and is a thing nevertheless. All other data is a question to a provider.
THINGS_LOOKED_UP: Final = frozenset(
    """
    aws_alb aws_db_instance aws_dynamodb_table aws_ecs_cluster aws_eks_cluster aws_elb aws_instance aws_lambda_function
    aws_lb aws_lb_listener aws_lb_target_group aws_rds_cluster aws_route53_zone aws_s3_bucket aws_sns_topic
    aws_sqs_queue aws_subnet aws_vpc azurerm_dns_zone azurerm_lb azurerm_private_dns_zone azurerm_public_ip
    azurerm_virtual_network cloudflare_zone google_compute_address google_compute_instance google_dns_managed_zone
    google_sql_database_instance
    """.split()
)

# Attributes with the host names and addresses that a resource is reached by.
REACHED_BY: Final = frozenset(
    """
    address api_endpoint bucket_domain_name bucket_regional_domain_name cluster_address configuration_endpoint
    configuration_endpoint_address default_hostname dns_name endpoint fqdn function_url ip_address ipv6_address nat_ip
    network_ip primary_endpoint_address private_dns private_ip private_ip_address public_dns public_ip
    public_ip_address reader_endpoint reader_endpoint_address website_endpoint
    """.split()
)
REACHED_BY_OF: Final = {
    "aws_api_gateway_domain_name": frozenset({"domain_name"}),
    "aws_apigatewayv2_domain_name": frozenset({"domain_name"}),
    "aws_cloudfront_distribution": frozenset({"domain_name", "aliases"}),
    "aws_sns_topic_subscription": frozenset[str](),  # its `endpoint` is whom it tells
}
# Blocks in which such attributes lie.
REACHED_IN: Final = ("access_config", "cache_nodes", "dns_entry", "frontend_ip_configuration", "network_interface")

# Attributes whose resources stand in for each other.
ALTERNATIVES: Final = frozenset("instances subnet_ids subnet_mapping subnets vpc_zone_identifier".split())
# Attributes whose resources are wanted, and not needed to go on: certificates are kept where they are used.
WANTED: Final = frozenset(
    """
    access_logs alarm_actions certificate_arn dead_letter_config lambda_function_association logging logging_config
    redrive_policy ssl_certificate_id viewer_certificate web_acl_id
    """.split()
)
# Attributes that name others for another reason than to need them.
IGNORED: Final = frozenset(
    """
    arn assume_role_policy id labels origin owner_id policy private self_link tags tags_all target_group_arns
    timeouts
    """.split()
)

# Services of AWS whose data is had from the API, by its domain name; and those for which that need not be looked up.
BY_ENDPOINT: Final = frozenset("dynamodb events firehose kinesis kms secretsmanager sns sqs ssm states".split())
BY_API: Final = frozenset("ecr lambda s3".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """Of resources of `type`: what attribute `of` names needs what attribute `by` names ("": the resource itself).

    Several for one are alternatives, or each is needed (`each`).
    """

    type: str
    of: str
    by: str
    each: bool = False
    soft: bool = False


JOINED: Final = (
    Joint(type="aws_lb_target_group_attachment", of="target_group_arn", by="target_id"),
    Joint(type="aws_alb_target_group_attachment", of="target_group_arn", by="target_id"),
    Joint(type="aws_autoscaling_attachment", of="lb_target_group_arn", by="autoscaling_group_name"),
    Joint(type="aws_autoscaling_attachment", of="alb_target_group_arn", by="autoscaling_group_name"),
    Joint(type="aws_autoscaling_attachment", of="elb", by="autoscaling_group_name"),
    Joint(type="aws_elb_attachment", of="elb", by="instance"),
    Joint(type="aws_ecs_service", of="load_balancer", by=""),
    Joint(type="aws_autoscaling_group", of="target_group_arns", by=""),
    Joint(type="aws_autoscaling_group", of="load_balancers", by=""),
    Joint(type="aws_rds_cluster_instance", of="cluster_identifier", by=""),
    Joint(type="aws_docdb_cluster_instance", of="cluster_identifier", by=""),
    Joint(type="aws_neptune_cluster_instance", of="cluster_identifier", by=""),
    Joint(type="aws_lb_listener", of="load_balancer_arn", by="default_action", each=True),
    Joint(type="aws_alb_listener", of="load_balancer_arn", by="default_action", each=True),
    Joint(type="aws_lb_listener_rule", of="listener_arn", by="action", each=True, soft=True),
    Joint(type="aws_alb_listener_rule", of="listener_arn", by="action", each=True, soft=True),
    Joint(type="aws_lambda_event_source_mapping", of="function_arn", by="event_source_arn", each=True, soft=True),
)
