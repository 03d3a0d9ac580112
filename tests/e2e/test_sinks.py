"""Records that are appended elsewhere, over real sockets."""

from pathlib import Path

import msgspec
import pytest

from tests.certificates import self_signed
from tests.contract.servers import Turn, serving
from tests.e2e.far import answers
from tests.e2e.harness import forward_to, running_gateway
from tests.e2e.waiting import until
from tidegate.adapters.tls_files import ServerTls, TlsFiles
from tidegate.config.load import check_text
from tidegate.wire import journal

SECRET = "Bearer sink-secret"


def https_sink(url: str, **settings: object) -> dict[str, object]:
    return {"name": "far", "kind": "https", "url": url, "zone": "eu", "flush_s": 0.01, **settings}


async def takes(turn: Turn) -> None:
    await turn.answer(b"", 202)


async def test_records_arrive_at_a_server_after_it_was_away(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, "localhost")
    failures = 1

    async def receiver(turn: Turn) -> None:
        nonlocal failures
        if failures:
            failures -= 1
            await turn.answer(b"", 503)
        else:
            await takes(turn)

    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    tls = ServerTls(TlsFiles(certificate, key)).context
    async with serving(answers) as far, serving(receiver, tls) as sink:
        settings = https_sink(
            f"https://localhost:{sink.port}/records",
            headers={"Authorization": f"file:{secret}"},
            ca_file=str(certificate),
        )
        config = {**forward_to(far.url), "ledger": {"sinks": [settings]}}
        async with running_gateway(config) as gateway:
            got = await gateway.chat("my-secret words")
            await until(lambda: len(sink.seen) >= 2)
            await until(lambda: gateway.node.parts.sinks[0].health().sent == 1)
            status = (await gateway.admin("/admin/status")).json()["sinks"]
            metrics = (await gateway.admin("/metrics")).body.decode()
    first, second = sink.seen[0], sink.seen[-1]
    assert (second.method, second.target) == ("POST", "/records")
    assert second.headers["content-type"] == "application/x-ndjson"
    assert second.headers["authorization"] == SECRET
    assert first.body == second.body
    record = journal.decode(second.body)
    assert (record.request_id, record.tenant) == (got.request_id, "default")
    assert b"my-secret" not in second.body
    assert (status[0]["name"], status[0]["sent"], status[0]["lost"]) == ("far", 1, 0)
    assert 'tidegate_sink_records_total{sink="far"} 1.0' in metrics
    assert 'tidegate_sink_lost_total{sink="far"} 0.0' in metrics


async def test_a_receiver_that_hangs_holds_up_no_request_and_the_loss_is_counted() -> None:
    async def hangs(turn: Turn) -> None:
        await turn.wait_for_client_to_leave()

    async with serving(answers) as far, serving(hangs) as sink:
        settings = https_sink(f"http://127.0.0.1:{sink.port}", queue=2, batch=1)
        config = {**forward_to(far.url), "ledger": {"sinks": [settings]}}
        async with running_gateway(config) as gateway:
            assert (await gateway.chat()).status == 200
            await until(sink.arrived.is_set)
            for _ in range(5):
                assert (await gateway.chat()).status == 200
            health = gateway.node.parts.sinks[0].health()
            assert (health.pending, health.lost) == (3, 3)


async def test_standard_output_gets_lines_beside_the_log() -> None:
    async with serving(answers) as far:
        sinks = [{"name": "out", "kind": "stdout", "flush_s": 0.01}]
        config = {**forward_to(far.url), "ledger": {"sinks": sinks}}
        async with running_gateway(config) as gateway:
            got = await gateway.chat()
            await until(lambda: len(gateway.log.raw) == 1)
            assert journal.decode(gateway.log.raw[0]).request_id == got.request_id


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"zone": "us"}, "never leaves its zone"),
        ({"url": "http://records.example/x"}, "use https"),
        ({"headers": {"Authorization": "Bearer in-the-file"}}, "must not stand in the file"),
        ({"ca_file": "nowhere.pem"}, "there is no file"),
        ({"kind": "kafka"}, "known are"),
    ],
)
def test_a_sink_that_may_not_be_is_refused_with_the_reason(
    changes: dict[str, object], told: str
) -> None:
    config = {
        "node": {"tier": "pop", "region": "eu-west", "zone": "eu"},
        "ledger": {"sinks": [{**https_sink("https://records.example/x"), **changes}]},
    }
    checked = check_text(msgspec.json.encode(config), "f", {}, folder=Path())
    assert checked.configuration is None
    assert any(told in problem.message for problem in checked.problems)
    assert "in-the-file" not in str(checked.problems)


def test_two_sinks_of_one_name_are_refused() -> None:
    sinks = [{"name": "out", "kind": "stdout"}] * 2
    checked = check_text(msgspec.json.encode({"ledger": {"sinks": sinks}}), "f", {}, folder=Path())
    assert any("two sinks called `out`" in one.message for one in checked.problems)
