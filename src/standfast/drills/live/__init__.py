"""The parts of the live drill: real servers and clients on loopback, each started, steered and ended by id.

    ThrowawayAuthority ... authority: certificates that nobody else trusts
    DynamoService ........ dynamo: a DynamoDB service over plain HTTP
    Front ................ front: TLS in front of it on addresses that can drain, die, be re-assigned
    Workload ............. client: one process of boto3 clients and dependents, and the stream of its calls
    start_unbound ........ rivals: what people run today
    start_dnsmasq

Nothing here listens on, or sends to, anything but 127.0.0.0/8, and nothing needs root.
"""
