from benchmarks.harness.goals import judge
from benchmarks.load.sample import Sample
from benchmarks.load.streams import Paced
from benchmarks.overhead import GOALS, ROUNDS, summarise
from benchmarks.servers.line_up import DIRECT, NODE, PEERS, TRACED, TWO_WORKERS

LITELLM = PEERS[0].name
RSS = {DIRECT: 10.0, NODE: 90.0, LITELLM: 350.0}


def samples(*, p50_ms: float, rps: float, rounds: int = ROUNDS) -> list[Sample]:
    # Each round is slower than the one before, for everyone alike.
    stream = Paced(first_p50_ms=1.0, way_p50_ms=0.1, gap_p50_ms=5.0, gap_p99_ms=6.0)
    return [
        Sample(p50_ms + drift, p50_ms + drift, rps, cpu_s_per_1k=0.1, stream=stream)
        for drift in range(rounds)
    ]


def test_added_latency_is_free_of_drift() -> None:
    taken = {DIRECT: samples(p50_ms=0.1, rps=9e4), NODE: samples(p50_ms=0.5, rps=6e3)}
    added = summarise(taken, RSS, failed={}, notes=()).figures["added_p50_ms"]
    assert round(added.value, 6) == 0.4
    assert round(added.high - added.low, 6) == 0


def test_ratio_to_a_peer_is_ours_over_theirs() -> None:
    taken = {
        DIRECT: samples(p50_ms=0.1, rps=9e4),
        NODE: samples(p50_ms=0.5, rps=6e3),
        LITELLM: samples(p50_ms=12.0, rps=80),
    }
    measured = summarise(taken, RSS, failed={}, notes=())
    assert measured.figures["vs_litellm_rps"].value == 75
    assert measured.peers[LITELLM]["rss_mb"] == 350


def test_figures_of_absent_peers_are_left_out_and_their_targets_open() -> None:
    taken = {DIRECT: samples(p50_ms=0.1, rps=9e4), NODE: samples(p50_ms=0.5, rps=6e3)}
    measured = summarise(taken, RSS, failed={LITELLM: "no network"}, notes=())
    assert measured.peers[LITELLM] == {"error": "no network"}
    outcome = {target.figure: target.met for target in judge(GOALS, measured.figures)}
    assert outcome == {
        "added_p50_ms": True,
        "traced_added_p50_ms": None,
        "rss_mb": True,
        "vs_litellm_rps": None,
        "vs_portkey_rps": None,
        "vs_tensorzero_rps": None,
    }


def test_two_workers_have_a_figure_and_a_row_of_their_own() -> None:
    taken = {
        DIRECT: samples(p50_ms=0.1, rps=9e4),
        NODE: samples(p50_ms=0.5, rps=6e3),
        TWO_WORKERS: samples(p50_ms=0.5, rps=9e3),
    }
    measured = summarise(taken, {**RSS, TWO_WORKERS: 300.0}, failed={}, notes=())
    assert measured.figures["rps_32"].value == 6e3
    assert measured.figures["rps_32_workers2"].value == 9e3
    assert measured.peers[TWO_WORKERS]["rss_mb"] == 300


def test_every_peer_has_a_figure_with_a_target() -> None:
    assert {peer.figure for peer in PEERS} <= {goal.figure for goal in GOALS}


def test_traces_are_compared_with_the_direct_way_and_with_none() -> None:
    taken = {
        DIRECT: samples(p50_ms=0.2, rps=2e4),
        NODE: samples(p50_ms=0.6, rps=5e3),
        TRACED: samples(p50_ms=0.65, rps=4e3),
    }
    measured = summarise(taken, {**RSS, TRACED: 180.0}, failed={}, notes=())
    assert round(measured.figures["traced_added_p50_ms"].value, 6) == 0.45
    assert measured.figures["traced_rps_32"].value == 4e3
    assert round(measured.figures["traced_vs_untraced_rps"].value, 6) == 0.8
    assert measured.peers[TRACED]["rss_mb"] == 180
