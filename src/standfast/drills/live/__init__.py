"""The live drill and its parts: real servers and clients on loopback, each started, steered and ended by id.

    run_live ............. run: a story played from its first second to its last, and the account of it
    start_parts .......... parts: everything below, started together and ended in every case
    ScriptedUpstream ..... upstream: the simulator's resolver behind real sockets, in scaled time
    Fronts ............... fronts: at every address who the simulated world says
    Guard ................ guard: a real `standfast up`
    LiveScores ........... scores: what every call says, against what was true

    ThrowawayAuthority ... authority: certificates that nobody else trusts
    DynamoService ........ dynamo: a DynamoDB service over plain HTTP
    Front ................ front: TLS in front of it on addresses that can drain, die, be re-assigned
    Workload ............. client: one process of boto3 clients and dependents, and the stream of its calls
    start_unbound ........ rivals: what people run today
    start_dnsmasq

Nothing here listens on, or sends to, anything but 127.0.0.0/8, and nothing needs root.
"""
