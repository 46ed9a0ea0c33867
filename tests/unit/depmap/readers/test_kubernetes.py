"""Kubernetes manifests: who names whom, what stands behind a service, and which zones a workload needs."""

from pathlib import Path
from textwrap import dedent

import pytest

from standfast.depmap.errors import ModelError
from standfast.depmap.graph import Kind, Node, all_of, any_of
from standfast.depmap.loss import blast_radius, single_points
from standfast.depmap.merging import DependencyMap, merge
from standfast.depmap.readers.kinds import read_files, reader_of
from standfast.depmap.readers.kubernetes import parse, suits, tell

SECRET = "hunter2"


def read(*documents: str) -> DependencyMap:
    """Return the map of `documents`, each in a file of its own."""
    files = [parse(dedent(text).encode(), file=f"{number}.yaml") for number, text in enumerate(documents, 1)]
    return merge([tell(files)])


def remarks(found: DependencyMap) -> list[str]:
    return [f"{remark.by.where}:{remark.by.line}: {remark.text}" for remark in found.remarks]


def deployment(name: str, pod: str = "", *, replicas: int = 1, namespace: str = "default") -> str:
    """Return a Deployment whose pods have the label `app` of its name, and `pod`, YAML, as their specification."""
    head = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  replicas: {replicas}
  template:
    metadata: {{labels: {{app: {name}, tier: back}}}}
    spec:
"""
    return head + "".join(f"      {line}\n" for line in dedent(pod).splitlines())


def test_the_shop_has_its_seventeen_edges_and_one_leads_to_what_is_not_there(shared_data: Path) -> None:
    files = [(path.name, path.read_bytes()) for path in sorted((shared_data / "kubernetes").iterdir())]
    (reading,), errors = read_files(files)
    found = merge([reading])
    named = {
        (node.name, part)
        for node in found.graph.nodes.values()
        for need in node.needs
        for part in need.parts
        if need.role != "workload"
    }
    assert not errors
    assert len(named) == 17
    assert ("cartservice", "redis-cart") in named
    assert ("loadgenerator", "frontend") in named
    assert found.graph.nodes["frontend-external"].needs == (any_of("frontend", role="workload"),)
    # The assistant's own manifest is commented out; only its address is set.
    assert remarks(found) == [
        'frontend.yaml:83: "frontend" names the service "shoppingassistantservice",'
        " which none of these manifests describes"
    ]
    assert set(blast_radius(found.graph, ["redis-cart"]).down) == {
        *("redis-cart", "cartservice", "checkoutservice", "frontend", "frontend-external", "loadgenerator")
    }


def test_settings_come_from_values_other_variables_config_maps_and_arguments() -> None:
    config = """\
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: settings}
        data: {CACHE_HOST: cache, QUEUE_URL: "amqp://queue:5672", UNUSED: "x:1"}
        """
    web = deployment(
        "web",
        """\
        containers:
        - name: web
          command: [/web, --search-addr, "search:9200", "--mail=$(MAIL)", "metrics:9100", "sh -c 'nc no:1'"]
          envFrom: [{configMapRef: {name: settings}, prefix: A_}]
          env:
          - {name: HOST_OF_DB, value: db}
          - {name: MAIL, value: "$(HOST_OF_MAIL):25"}
          - {name: DB_URL, value: "postgres://$(HOST_OF_DB)/x"}
          - {name: A_UNUSED, value: ""}
          - {name: Q, valueFrom: {configMapKeyRef: {name: settings, key: QUEUE_URL}}}
        """,
    )
    needs = read(web, config).graph.nodes["web"].needs
    assert {part for need in needs for part in need.parts} == {"cache", "queue", "db", "search", "metrics"}
    assert all(need.number == 1 and not need.soft for need in needs)


def test_what_an_init_container_needs_only_a_new_pod_needs_and_a_sidecar_is_as_the_others() -> None:
    web = deployment(
        "web",
        """\
        initContainers:
        - {name: wait, env: [{name: A_ADDR, value: "migrations:80"}, {name: B_ADDR, value: "db:80"}]}
        - {name: proxy, restartPolicy: Always, env: [{name: A_ADDR, value: "mesh:80"}]}
        containers:
        - {name: web, env: [{name: A_ADDR, value: "db:80"}]}
        """,
    )
    found = read(web)
    assert set(found.graph.nodes["web"].needs) == {all_of("migrations", soft=True), all_of("mesh"), all_of("db")}
    assert not found.contradictions


def test_of_several_hosts_in_one_value_one_is_enough() -> None:
    web = deployment("web", "containers: [{env: [{name: BROKERS, value: 'a.example.com:9092,b.example.com:9092'}]}]")
    assert read(web).graph.nodes["web"].needs == (any_of("a.example.com", "b.example.com"),)


def test_names_are_looked_for_in_the_own_namespace_then_in_the_cluster_then_outside() -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: %s}\nspec: {clusterIP: %s}\n"
    shop = deployment(
        "web",
        """\
        containers:
        - env:
          - {name: A, value: "db:1"}
          - {name: B, value: "db.data:1"}
          - {name: C, value: "db.data.svc.cluster.local:1"}
          - {name: D, value: "db-0.db:1"}
          - {name: E, value: "api.example.com:1"}
          - {name: F, value: "10.0.0.7:1"}
          - {name: G, value: "kubernetes.default.svc:443"}
        """,
        namespace="shop",
    )
    found = read(shop, service % ("db", "shop", "None"), service % ("db", "data", "10.0.0.7"))
    parts = {part for need in found.graph.nodes["shop/web"].needs for part in need.parts}
    assert parts == {"shop/db", "data/db", "api.example.com", "kubernetes"}
    assert not remarks(found)


def test_a_service_needs_one_of_the_workloads_that_it_selects_whichever_file_they_are_in() -> None:
    service = """\
        apiVersion: v1
        kind: Service
        metadata: {name: back}
        spec: {selector: {tier: back}}
        """
    found = read(service, deployment("blue"), deployment("green"), deployment("other", namespace="shop"))
    assert found.graph.nodes["back"].needs == (any_of("blue", "green", role="workload"),)
    assert single_points(found.graph, "back") == ["back"]


def test_a_service_and_the_workload_of_its_name_are_one_node_and_told_where_they_hardly_are() -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: %s}}\n"
    assert read(service % "web", deployment("web")).graph.nodes["web"] == Node(name="web")
    found = read(service % "other", deployment("web"), deployment("other"))
    assert found.graph.nodes["web"].needs == (any_of("other", role="workload"),)
    assert remarks(found) == [
        '1.yaml:1: the service "web" does not select the workload of its name: they are one node all the same'
    ]
    (said,) = remarks(read(service % "nobody"))
    assert said == '1.yaml:1: no workload of these manifests is selected by the service "web"'


def test_a_service_may_stand_for_a_name_of_elsewhere_or_for_addresses() -> None:
    found = read(
        """\
        apiVersion: v1
        kind: List
        items:
        - apiVersion: v1
          kind: Service
          metadata: {name: pay}
          spec: {type: ExternalName, externalName: pay.example.com.}
        - {apiVersion: v1, kind: Service, metadata: {name: old}, spec: {ports: []}}
        - {apiVersion: v1, kind: Endpoints, metadata: {name: old}, subsets: [{addresses: [{ip: 192.0.2.1}]}]}
        - apiVersion: discovery.k8s.io/v1
          kind: EndpointSlice
          metadata: {name: old-x, labels: {kubernetes.io/service-name: old}}
          endpoints: [{addresses: ["2001:db8::1"]}]
        """
    )
    assert found.graph.nodes["pay"].needs == (all_of("pay.example.com", role="alias"),)
    assert found.graph.nodes["old"].needs == (any_of("192.0.2.1", "2001:db8::1", role="address"),)
    assert found.graph.nodes["192.0.2.1"].kind is Kind.ADDRESS


def test_a_host_needs_its_ingress_and_that_all_services_behind_it_and_its_class() -> None:
    found = read(
        """\
        apiVersion: networking.k8s.io/v1
        kind: Ingress
        metadata: {name: web, namespace: shop}
        spec:
          ingressClassName: nginx
          defaultBackend: {service: {name: front}}
          rules:
          - host: WWW.example.com
            http: {paths: [{path: /api, backend: {service: {name: api}}}]}
        ---
        apiVersion: extensions/v1beta1
        kind: Ingress
        metadata: {name: old, annotations: {kubernetes.io/ingress.class: nginx}}
        spec: {rules: [{host: old.example.com, http: {paths: [{backend: {serviceName: front}}]}}]}
        """
    )
    nodes = found.graph.nodes
    assert nodes["www.example.com"] == Node(name="www.example.com", kind=Kind.NAME, needs=(all_of("ingress:shop/web"),))
    assert set(nodes["ingress:shop/web"].needs) == {all_of("shop/front"), all_of("shop/api")}
    assert set(blast_radius(found.graph, ["ingress-class:nginx"]).down) >= {"www.example.com", "old.example.com"}


def test_a_route_needs_its_gateway_and_every_service_that_gets_a_share() -> None:
    found = read(
        """\
        apiVersion: gateway.networking.k8s.io/v1
        kind: HTTPRoute
        metadata: {name: web, namespace: shop}
        spec:
          parentRefs: [{name: front, namespace: infra}]
          hostnames: [www.example.com]
          rules:
          - backendRefs: [{name: blue, weight: 90}, {name: green, weight: 10}, {name: off, weight: 0}]
          - backendRefs: [{name: api, namespace: default}]
        ---
        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata: {name: front, namespace: infra}
        spec: {gatewayClassName: istio}
        """
    )
    needs = found.graph.nodes["route:shop/web"].needs
    assert set(needs) == {all_of("shop/blue"), all_of("shop/green"), all_of("api"), all_of("gateway:infra/front")}
    assert found.graph.nodes["gateway:infra/front"].causes == ("gateway-class:istio",)


ZONES = """\
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: topology.kubernetes.io/zone, operator: In, values: [us-east-1a, us-east-1b, us-east-1c]}
"""
SPREAD = "topologySpreadConstraints: [{topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: %s}]\n"


@pytest.mark.parametrize(
    ("replicas", "lost", "is_down"),
    [
        (3, ["az:aws/us-east-1a", "az:aws/us-east-1b"], False),
        (3, ["region:aws/us-east-1"], True),
        (2, ["az:aws/us-east-1a"], False),
        (2, ["az:aws/us-east-1a", "az:aws/us-east-1b"], True),  # which two of the three have a pod is not known
        (1, ["region:aws/us-east-1"], True),
    ],
)
def test_pods_spread_over_zones_outlive_as_many_as_they_have_copies_more(
    replicas: int, lost: list[str], *, is_down: bool
) -> None:
    found = read(deployment("web", ZONES + SPREAD % "DoNotSchedule", replicas=replicas))
    lost = [cause for cause in lost if cause in found.graph.causes]
    assert ("web" in blast_radius(found.graph, lost).down) is is_down


def test_a_daemon_set_is_in_every_zone() -> None:
    daemons = deployment("web", ZONES).replace("kind: Deployment", "kind: DaemonSet")
    zones = ("web@us-east-1a", "web@us-east-1b", "web@us-east-1c")
    assert read(daemons).graph.nodes["web"].needs == (any_of(*zones, role="place"),)


def test_what_is_only_preferred_spreads_nothing() -> None:
    found = read(deployment("web", ZONES + SPREAD % "ScheduleAnyway", replicas=3))
    assert found.graph.nodes["web"] == Node(name="web", causes=("region:aws/us-east-1",))


@pytest.mark.parametrize(
    ("zone", "causes"),
    [
        ("us-gov-west-1b", ("az:aws/us-gov-west-1b", "region:aws/us-gov-west-1")),
        ("us-west-2-lax-1a", ("az:aws/us-west-2-lax-1a", "region:aws/us-west-2")),
        ("us-central1-a", ("az:google/us-central1-a", "region:google/us-central1")),
        ("westeurope-1", ("az:azure/westeurope-1", "region:azure/westeurope")),
        ("rack-seven", ("az:kubernetes/rack-seven",)),
    ],
)
def test_a_workload_that_must_be_in_one_zone_goes_down_with_it(zone: str, causes: tuple[str, ...]) -> None:
    found = read(deployment("web", f"nodeSelector: {{topology.kubernetes.io/zone: {zone}}}"))
    assert found.graph.nodes["web"].causes == causes


def test_what_another_workload_runs_is_told_by_that_one_alone() -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web-1, ownerReferences: [{name: web}]}\nspec: {}\n"
    assert set(read(pod, deployment("web")).graph.nodes) == {"web"}


@pytest.mark.parametrize("kind", ["CronJob", "Job", "StatefulSet", "DaemonSet", "Pod"])
def test_workloads_of_every_kind_are_read(kind: str) -> None:
    spec = "{containers: [{env: [{name: DB_HOST, value: db}]}]}"
    text = {
        "CronJob": f"apiVersion: batch/v1\nspec: {{jobTemplate: {{spec: {{template: {{spec: {spec}}}}}}}}}\n",
        "Job": f"apiVersion: batch/v1\nspec: {{template: {{spec: {spec}}}}}\n",
        "Pod": f"apiVersion: v1\nspec: {spec}\n",
    }.get(kind, f"apiVersion: apps/v1\nspec: {{template: {{spec: {spec}}}}}\n")
    assert read(f"{text}kind: {kind}\nmetadata: {{name: x}}\n").graph.nodes["x"].needs == (all_of("db"),)


def test_nothing_of_a_secret_is_told_and_that_it_is_not_read_is() -> None:
    secret = f"""\
        apiVersion: v1
        kind: Secret
        metadata: {{name: {SECRET}-db, annotations: {{last: "{SECRET}:80"}}}}
        stringData: {{DB_HOST: "{SECRET}.example.com"}}
        ---
        apiVersion: v1
        kind: Secret
        stringData: {{password: *{SECRET}}}
        ---
        apiVersion: v1
        kind: Secret
        stringData: {{password: !{SECRET} x}}
        """
    web = deployment(
        "web",
        f"""\
        containers:
        - envFrom: [{{secretRef: {{name: all-of-it}}}}]
          args: ["--password={SECRET}:80", "--url", "https://u:{SECRET}@api.example.com", "--token", "{SECRET}:80"]
          env:
          - {{name: DB_URL, valueFrom: {{secretKeyRef: {{name: db, key: url}}}}}}
          - {{name: API_TOKEN, value: "{SECRET}:80"}}
          - {{name: DSN, value: "redis://{SECRET}:{SECRET}@cache:6379"}}
        """,
    )
    found = read(secret, web)
    assert SECRET not in repr((found, parse(dedent(secret).encode(), file="s.yaml")))
    assert {"api.example.com", "cache"} <= set(found.graph.nodes)
    assert (
        '2.yaml:1: "web" is set up by Secrets, which are not read: all of all-of-it, DB_URL.'
        " If they name hosts, say so by hand"
    ) in remarks(found)


def test_a_template_that_is_not_rendered_is_told_and_the_rest_is_read() -> None:
    template = (
        '{{- if .Values.on }}\napiVersion: v1\nkind: Service\nmetadata: {name: {{ include "x" . }}}\n{{- end }}\n'
    )
    found = read(f"{template}---\n{deployment('web')}")
    assert "web" in found.graph.nodes
    assert ["template of Helm" in said for said in remarks(found)] == [True]
    with pytest.raises(ModelError, match="template of Helm"):
        parse(template.encode(), file="t.yaml")
    quoted = b'apiVersion: v1\nkind: Service\nmetadata: {name: "{{ .Release.Name }}"}\n'
    with pytest.raises(ModelError, match=r"t\.yaml:1: a template of Helm"):
        parse(quoted, file="t.yaml")


def test_a_broken_document_is_told_with_its_line_and_the_rest_is_read() -> None:
    found = read(f"{deployment('a')}---\nkind: [\n---\n{deployment('b')}")
    assert set(found.graph.nodes) == {"a", "b"}
    (said,) = remarks(found)
    assert said.startswith("1.yaml:11: no YAML")


def test_kustomize_makes_config_maps_and_what_else_it_does_is_told() -> None:
    kustomization = """\
        apiVersion: kustomize.config.k8s.io/v1beta1
        kind: Kustomization
        namePrefix: test-
        resources: [web.yaml]
        configMapGenerator: [{name: settings, literals: ["DB_HOST=db"]}]
        """
    web = deployment("web", "containers: [{envFrom: [{configMapRef: {name: settings}}]}]")
    found = read(kustomization, web)
    assert found.graph.nodes["web"].needs == (all_of("db"),)
    assert '1.yaml:3: namePrefix: not done; read what "kubectl kustomize" prints instead' in remarks(found)


def test_what_no_reader_knows_is_told_once_and_what_says_nothing_is_not() -> None:
    found = read(
        """\
        {apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a}}
        ---
        {apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: b}}
        ---
        {apiVersion: v1, kind: ServiceAccount, metadata: {name: a}}
        ---
        {apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: a}}
        """
    )
    assert remarks(found) == ["1.yaml:0: what these say of needs is not read: 2 VirtualService of networking.istio.io"]


def test_lists_that_hold_themselves_come_to_an_end() -> None:
    found = read("&a\napiVersion: v1\nkind: List\nitems: [*a, {apiVersion: v1, kind: Service, metadata: {name: b}}]\n")
    assert set(found.graph.nodes) == {"b"}


@pytest.mark.parametrize(
    ("head", "file", "are_manifests"),
    [
        (b"# note\napiVersion: v1\nkind: Service\n", "a.yaml", True),
        (b'{\n  "apiVersion": "v1",\n  "items": [', "a.json", True),
        (b"resources: [a.yaml]\n", "base/kustomization.yaml", True),
        (b"nodes:\n  kind: {}\n", "a.yaml", False),
        (b'{"version": 4, "resources": []}', "terraform.tfstate", False),
    ],
)
def test_manifests_are_known_by_how_they_begin(head: bytes, file: str, *, are_manifests: bool) -> None:
    assert suits(head, file) is are_manifests
    if are_manifests:
        assert reader_of(head, file=file).name == "kubernetes"
