"""A node of several workers collects for a learner elsewhere, and all of them serve its bundles."""

from pathlib import Path

from tests.e2e.harness import TENANT, running_gateway
from tests.e2e.pair import collecting_for
from tests.e2e.teacher import (
    Teacher,
    ask,
    is_serving,
    labelled,
    learned_all,
    learning_from,
    lessons,
)
from tests.e2e.tiers import scripted
from tests.e2e.waiting import until
from tests.e2e.workers.crew import running_crew
from tests.e2e.workers.test_learning import answered_here
from tidegate.domain.label import Owner

TEXTS = [text for text, _ in lessons()]
OWNER = Owner("intent", TENANT)


async def test_both_workers_collect_and_serve(tmp_path: Path) -> None:
    async with scripted() as far:
        far.script = Teacher(dict(lessons()))
        await labelled(tmp_path / "hub", far.served.url)
        made = learning_from(far.served.url, audit_share=0.5)
        async with running_gateway(made, folder=tmp_path / "hub") as hub:
            await learned_all(hub)
            await until(lambda: is_serving(hub))
            keeper, encoder = hub.node.parts.learning.keeper, hub.node.parts.encoder.fingerprint

            async def labels() -> int:
                return await keeper.use(lambda store: store.counts(OWNER, encoder).rows)

            before = await labels()
            key = tmp_path / "hub.key"
            key.write_text(hub.new_key(role="node", scopes=("learn",)))
            key.chmod(0o600)
            config = collecting_for(f"{hub.base_url}/v1", far.served.url, key, pull_s=0.1)
            async with running_crew(config, tmp_path / "edge") as crew:

                async def both_answer() -> bool:
                    await ask(crew, TEXTS[:20])
                    return min(await answered_here(crew)) > 0

                await until(both_answer)
                assert crew.supervisor.exchange is not None
                sending = crew.supervisor.exchange.sending

                async def has_come() -> bool:
                    # Half of them is audited, whichever worker answers.
                    await ask(crew, TEXTS[:20])
                    await sending.drain()
                    return await labels() > before + 10

                await until(has_come)
