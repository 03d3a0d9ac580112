import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tidegate.cache.exact import OFF, is_fresh, parse_cache_control, permission
from tidegate.cache.key import IGNORED_FIELDS, exact_key
from tidegate.domain.answer import Answer
from tidegate.domain.identity import Identity
from tidegate.domain.request import CacheWish, Chat, Context, Embeddings, Request
from tidegate.domain.route import CachePolicy
from tidegate.ports.cache import Stored

ON = CachePolicy(is_on=True)


def request(
    body: dict[str, object],
    *,
    tenant: str = "a",
    temperature: float | None = 0.0,
    wish: CacheWish | None = None,
) -> Request:
    context = Context(
        "r", Identity(tenant, "k", "client", frozenset()), 0.0, 0.0, cache=wish or CacheWish()
    )
    ask = Chat(text="", characters=0, temperature=temperature)
    return Request("chat", "m", msgspec.json.encode(body), ask, context)


def key(body: dict[str, object], *, tenant: str = "a", content: str = "c") -> bytes:
    return exact_key(request(body, tenant=tenant), content=content)


BODY: dict[str, object] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def test_the_order_of_fields_does_not_matter() -> None:
    assert key(BODY) == key(dict(reversed(BODY.items())))


def test_tenants_never_share_a_key() -> None:
    assert key(BODY, tenant="a") != key(BODY, tenant="b")


def test_regions_never_share_a_key() -> None:
    def of(region: str | None) -> bytes:
        asked = request(BODY)
        context = replace(asked.context, region=region)
        return exact_key(replace(asked, context=context), content="c")

    assert len({of(None), of("no"), of("se")}) == 3


def test_another_configuration_of_the_route_gives_another_key() -> None:
    assert key(BODY, content="c") != key(BODY, content="d")


@pytest.mark.parametrize("field", sorted(IGNORED_FIELDS))
def test_fields_that_cannot_alter_the_answer_are_ignored(field: str) -> None:
    assert key(BODY) == key({**BODY, field: "x"})


@given(st.text(min_size=1), st.one_of(st.integers(-(2**53), 2**53), st.text(), st.booleans()))
def test_every_other_field_enters_the_key(field: str, value: object) -> None:
    if field not in IGNORED_FIELDS and BODY.get(field) != value:
        assert key(BODY) != key({**BODY, field: value})


def test_a_tenant_name_cannot_imitate_another_part_of_the_key() -> None:
    assert key(BODY, tenant='a","chat') != key(BODY, tenant="a")


def test_a_route_without_cache_is_left_alone() -> None:
    assert permission(request(BODY), CachePolicy(is_on=False)) == OFF


@pytest.mark.parametrize("temperature", [None, 0.7, 2.0])
def test_sampled_answers_are_repeated_only_where_the_route_says_so(
    temperature: float | None,
) -> None:
    sampled = request(BODY, temperature=temperature)
    assert permission(sampled, ON) == OFF
    assert permission(sampled, CachePolicy(is_on=True, allows_sampled=True)).may_store


def test_embeddings_are_never_sampled() -> None:
    one = Request("embeddings", "m", b"{}", Embeddings(("x",), 1), request(BODY).context)
    assert permission(one, ON).may_read


@pytest.mark.parametrize(
    ("header", "wish"),
    [
        (None, CacheWish()),
        ("", CacheWish()),
        ("no-store", CacheWish(may_read=False, may_store=False)),
        ("No-Cache", CacheWish(may_read=False)),
        ("max-age=60", CacheWish(max_age_s=60.0)),
        ('private, max-age="5"', CacheWish(max_age_s=5.0)),
        ("max-age=soon", CacheWish()),
    ],
)
def test_the_clients_cache_control_is_read(header: str | None, wish: CacheWish) -> None:
    assert parse_cache_control(header) == wish


def test_a_client_that_forbids_reading_is_marked_as_bypass() -> None:
    allowed = permission(request(BODY, wish=CacheWish(may_read=False)), ON)
    assert (allowed.state, allowed.may_store) == ("bypass", True)


@pytest.mark.parametrize(
    ("now", "max_age_s", "fresh"),
    [(159.0, None, True), (160.0, None, False), (105.0, 5.0, False), (99.0, None, False)],
)
def test_an_entry_is_fresh_within_both_limits_and_never_from_the_future(
    now: float, max_age_s: float | None, fresh: bool
) -> None:
    entry = Stored(Answer(b"{}", "m"), stored_at=100.0, ttl_s=60.0)
    assert is_fresh(entry, CacheWish(max_age_s=max_age_s), now) is fresh


def test_what_rests_on_state_that_an_upstream_keeps_is_not_cached() -> None:
    kept = request(BODY)
    kept = replace(kept, ask=Chat(text="", characters=0, temperature=0.0, pinned_by="store"))
    assert permission(kept, ON) == OFF
