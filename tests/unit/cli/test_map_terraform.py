"""Terraform's state on the command line: what is lost with what, and that no secret is ever printed or kept."""

from pathlib import Path

from click.testing import CliRunner, Result

from standfast.cli.main import cli
from terraform_states import arn, full_state, resource, state

SECRET = "hunter2"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["map", *map(str, arguments)], prog_name="standfast")


def test_no_verb_prints_or_keeps_a_secret_of_a_state(tmp_path: Path) -> None:
    file, kept = tmp_path / "prod.tfstate", tmp_path / "map.json"
    planted = full_state().replace(b'"x"', b'"hunter2"').replace(b'"y"', b'"hunter2"').replace(b'"v"', b'"hunter2"')
    assert planted.count(SECRET.encode()) >= 10
    file.write_bytes(planted)
    outputs = [
        run("import", file, "--out", kept),
        run("import", file, "--dry-run", "--json"),
        run("show", "a.example.com", "--file", file),
        run("show", "a.example.com", "--file", file, "--json"),
        run("loss", "us-east-1", "--file", file),
        run("risk", "a.example.com", "--file", file),
        *(run("export", "--format", kind, "--file", file) for kind in ("html", "json", "dot", "graphml")),
    ]
    assert "aws_lb.front" in kept.read_text()
    assert SECRET not in kept.read_text()
    for output in outputs:
        assert output.exit_code == 0, output.output
        assert "example.com" in output.output or "nodes" in output.output
        assert SECRET not in output.output


def test_the_loss_of_a_name_of_an_api_takes_the_table_and_who_uses_it(tmp_path: Path) -> None:
    file = tmp_path / "prod.tfstate"
    file.write_bytes(
        state(
            resource("aws_dynamodb_table.orders", {"id": "orders", "arn": arn("dynamodb", "table/orders")}),
            resource("aws_ecs_service.checkout", {"id": "checkout"}, depends=["aws_dynamodb_table.orders"]),
        )
    )
    for lost in ("dynamodb.us-east-1.amazonaws.com", "us-east-1"):
        output = run("loss", lost, "--file", file).output
        assert "aws_ecs_service.checkout" in output
        assert "aws:iam/data" not in output.partition("degraded")[0]


def test_a_state_that_is_broken_is_named_and_the_others_make_a_map(tmp_path: Path) -> None:
    (tmp_path / "good.tfstate").write_bytes(state(resource("aws_lb.front", {"id": "front"})))
    (tmp_path / "bad.tfstate").write_bytes(b'{"version": 4, "terraform_version": "1.9.8", "password": "hunter2" oops')
    result = run("loss", "aws_lb.front", "--file", tmp_path)
    assert "bad.tfstate:1: is no JSON" in result.output
    assert "aws_lb.front" in result.output
    assert SECRET not in result.output
