"""A node on an encoder of the operator's: embeddings of its length, shorter ones, and heads."""

from pathlib import Path

from tests.e2e.harness import running_gateway
from tests.encoders import WIDTH, published
from tidegate.adapters.engines.encoder_build.build import Job, build_encoder


async def test_a_folder_in_the_configuration_takes_the_shipped_ones_place(tmp_path: Path) -> None:
    job = Job(
        folder=published(tmp_path / "model"),
        out=tmp_path / "mine",
        name="mine",
        precision="int8",
        licence="MIT",
    )
    build_encoder(job, lambda _stage, _done, _total: None)
    config = {
        "encoder": {"path": str(tmp_path / "mine"), "dimensions": [4], "prefix": "query : "},
        "routes": [{"models": ["embed"], "local": "encoder", "cache": "off"}],
    }
    ask = {"model": "embed", "input": "where is my parcel"}

    async with running_gateway(config) as gateway:
        whole = (await gateway.send("embeddings", ask)).json()
        short = (await gateway.send("embeddings", {**ask, "dimensions": 4})).json()
        named = await gateway.send("embeddings", {**ask, "model": "tidegate/encoder"})
        refused = await gateway.send("embeddings", {**ask, "dimensions": 5})

    assert whole["model"] == "tidegate/mine"
    assert len(whole["data"][0]["embedding"]) == WIDTH
    assert len(short["data"][0]["embedding"]) == 4
    assert named.json()["data"] == whole["data"]
    assert refused.status == 400
