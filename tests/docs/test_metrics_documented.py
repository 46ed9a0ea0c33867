"""Every metric stands in docs/operations.md as it is, with its labels and its type, and the page names no other."""

import re
from pathlib import Path

import yaml

from standfast.io.telemetry.authority_metrics import AUTHORITY_METRICS
from standfast.io.telemetry.control_metrics import CONTROL_METRICS
from standfast.io.telemetry.metrics import METRICS

DESCRIBED = [(metric.name, metric.labels) for metric in METRICS]
DESCRIBED += [(metric.name, metric.labels) for metric in AUTHORITY_METRICS]
DESCRIBED += [(metric.name, metric.labels) for metric in CONTROL_METRICS]
PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()


def test_every_metric_is_documented_and_no_other() -> None:
    documented = re.findall(r"^\| `(standfast_[^`]+)` \| (\w+) \|", PAGE, re.MULTILINE)
    assert documented == [
        (
            f"{name}{{{','.join(labels)}}}" if labels else name,
            "counter" if name.endswith("_total") else "gauge",
        )
        for name, labels in DESCRIBED
    ]


def test_no_label_can_be_a_name_that_was_asked_for() -> None:
    assert {label for _, labels in DESCRIBED for label in labels} == {
        *("action", "cause", "kind", "outcome", "rcode", "role", "server", "transport", "version", "why")
    }


def test_the_alert_rules_ask_for_metrics_and_labels_that_there_are() -> None:
    blocks = [
        yaml.safe_load(block) for block in re.findall(r"^```yaml\n(groups:.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    ]
    rules = [rule for block in blocks for group in block["groups"] for rule in group["rules"]]
    assert len(rules) == 3
    known = dict(DESCRIBED)
    for rule in rules:
        asked = re.findall(r"(standfast_\w+)(?:\{(\w+)=)?", rule["expr"])
        assert asked
        for name, label in asked:
            assert not label or label in known[name]
            assert name in known
