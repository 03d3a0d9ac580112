"""What a node of several workers learns holds for all of them, and so does a suspension."""

from functools import partial
from pathlib import Path

import pytest

from tests.e2e.harness import Got
from tests.e2e.teacher import LABELS, Teacher, ask, intent, labelled, learning_from, lessons
from tests.e2e.tiers import scripted
from tests.e2e.waiting import until
from tests.e2e.workers.crew import CrewOfTwo, running_crew
from tidegate.adapters.stores.state_directory import StatePaths
from tidegate.cli.learned_at import learned_at
from tidegate.node import overseer

TEXTS = [text for text, _ in lessons()]


def reasons(crew: CrewOfTwo) -> list[str]:
    """Tell why all workers have built anew so far."""
    return [str(fields["why"]) for name, fields in crew.log.events if name == "node.rebuilt"]


async def answered_here(crew: CrewOfTwo) -> list[float]:
    """Count for each worker the requests that it answered itself."""
    await crew.supervisor.look(1.0)
    counts = []
    for member in crew.supervisor.members:
        assert member.report is not None
        (requests,) = [one for one in member.report.families if one.name == "tidegate_requests"]
        place = requests.labels.index("source")
        counts.append(
            sum(point.value for point in requests.points if point.labels[place] == "local")
        )
    return counts


async def test_a_grant_and_a_suspension_take_effect_on_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Guarantees are looked at when a worker says so, and only then.
    monkeypatch.setattr(overseer, "LOOK_EVERY_S", 3600.0)
    async with scripted() as far:
        far.script = Teacher(dict(lessons()))
        await labelled(tmp_path, far.served.url)
        async with running_crew(learning_from(far.served.url, audit_share=1), tmp_path) as crew:
            # Logged when both have taken it over.
            await until(lambda: reasons(crew))
            assert "granted" in reasons(crew)[0]

            async def both_answer() -> bool:
                await ask(crew, TEXTS[:20])
                return min(await answered_here(crew)) > 0

            await until(both_answer)

            far.script = Teacher(dict(lessons()), model="far-decider-2")
            number = crew.supervisor.generation
            async with crew.supervisor._changing:
                # As while a reload is under way: nobody can build anew, and both obey all the same.
                await ask(crew, TEXTS[:4])

                async def nobody_answers() -> bool:
                    return set(await ask(crew, TEXTS[:10])) == {"upstream"}

                await until(nobody_answers)
                assert crew.supervisor.generation == number
            await until(lambda: "far-decider-2" in reasons(crew)[-1])

            before = await answered_here(crew)
            assert set(await ask(crew, TEXTS[:40])) == {"upstream"}
            assert await answered_here(crew) == before
            # Both have followed in time; one that does not is replaced.
            assert {member.starts for member in crew.supervisor.members} == {1}


async def test_feedback_finds_an_answer_whichever_worker_gave_it(tmp_path: Path) -> None:
    async with scripted() as far:
        far.script = Teacher(dict(lessons()))
        await labelled(tmp_path, far.served.url)
        async with running_crew(
            learning_from(far.served.url, audit_share=0.0001), tmp_path
        ) as crew:
            await until(lambda: reasons(crew))
            given: dict[str, str] = {}
            # The last one is of another language than all that was tested.
            for text in (*TEXTS[:11], "Wo ist meine Bestellung?"):
                body = {"model": "decider", "input": text, "questions": [intent()]}
                got = await crew.send("decisions", body)
                given[got.request_id] = got.headers["x-tidegate-source"]
            assert set(given.values()) == {"local", "upstream"}

            async def give(request_id: str) -> Got:
                said = {"request_id": request_id, "label": LABELS[0]}
                return await crew.send("/v1/feedback", said)

            async def is_taken(request_id: str) -> bool:
                # Unknown until the worker that answered has written it down.
                got = await give(request_id)
                assert got.status in {200, 404}
                return got.status == 200

            # Connections are spread: of twelve, some come to the other worker.
            for request_id in given:
                await until(partial(is_taken, request_id))
            assert {(await give(request_id)).status for request_id in given} == {409}
            (state,) = learned_at(StatePaths(crew.state))
            assert state.feedback == 12
