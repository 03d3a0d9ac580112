"""A node that starts with nothing and answers more and more itself."""

from tests.e2e.harness import running_gateway
from tests.e2e.teacher import Teacher, ask, learning_from, lessons, settled
from tests.e2e.tiers import scripted
from tests.e2e.waiting import until


async def test_the_local_share_grows_from_nothing_by_itself() -> None:
    taught = lessons()
    teacher = Teacher(dict(taught))
    async with scripted() as far, running_gateway(learning_from(far.served.url)) as gateway:
        far.script = teacher
        first = await ask(gateway, [text for text, _ in taught])
        assert set(first) == {"upstream"}
        await settled(gateway)
        await until(lambda: "learn.granted" in [name for name, _ in gateway.log.events])
        await until(lambda: gateway.node.generations.current.learned.tasks)

        asked_before = len(teacher.asked)
        again = await ask(gateway, [text for text, _ in taught[:100]])

        assert again.count("local") > 60
        # Some went up as the head was not sure, some only for the audit sample.
        went_up = len(teacher.asked) - asked_before
        assert again.count("upstream") <= went_up < 100
