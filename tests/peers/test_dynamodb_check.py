"""Looks at a real DynamoDB API: ministack, whose table and items are as we make them."""

import asyncio
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from standfast.control.health import Ill, Look, NotLooked, Well
from standfast.control.intent import CheckKind, HealthCheck
from standfast.drills.live.dynamo import KEY, REGION, TABLE, DynamoService
from standfast.io.control.checks.check import Checker
from standfast.io.roots import Roots

pytestmark = pytest.mark.peers


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_a_table_is_described_and_its_canary_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> dict[str, Look]:
        async with await DynamoService.start(tmp_path, items=["canary"]) as service:
            checker = Checker(Roots(), Random(1))
            check = HealthCheck(
                kind=CheckKind.DYNAMODB,
                port=service.endpoint.port,
                table=TABLE,
                region=REGION,
                key=((KEY, "canary"),),
                timeout_s=20.0,
            )
            address = service.endpoint.address
            found = {
                "well": await checker.look(address, check),
                "described": await checker.look(address, replace(check, key=())),
                "no item": await checker.look(address, replace(check, key=((KEY, "gone"),))),
                "no table": await checker.look(address, replace(check, table="gone")),
                "wrong key": await checker.look(address, replace(check, key=(("other", "x"),))),
            }
            monkeypatch.delenv("AWS_ACCESS_KEY_ID")
            monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
            monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
            found["nobody"] = await Checker(Roots(), Random(1)).look(address, check)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        found["gone"] = await checker.look(address, check)
        return found

    found = asyncio.run(run())
    assert found["well"] == found["described"] == Well()
    assert found["no item"] == Ill(why=f"the canary item is not in table {TABLE}")
    assert found["no table"] == Ill(why="DescribeTable: ResourceNotFoundException")
    assert isinstance(found["wrong key"], NotLooked), "that is asked wrongly, and says nothing of the service"
    assert isinstance(found["nobody"], NotLooked)
    assert "credentials" in found["nobody"].why
    assert found["gone"] == Ill(why="connection refused")
