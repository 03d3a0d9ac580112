from hypothesis import given
from hypothesis import strategies as st

from tidegate.adapters.stores.memory_cache import ENTRY_OVERHEAD_BYTES, MemoryCache
from tidegate.domain.answer import Answer
from tidegate.ports.cache import Stored


def entry(size: int) -> Stored:
    return Stored(Answer(b"x" * size, "m"), 0.0, 60.0)


def test_the_least_recently_used_entry_goes_first() -> None:
    cache = MemoryCache(2 * (ENTRY_OVERHEAD_BYTES + 10))
    cache.put(b"a", entry(10))
    cache.put(b"b", entry(10))
    cache.get(b"a")
    cache.put(b"c", entry(10))
    assert [cache.get(key) is not None for key in (b"a", b"b", b"c")] == [True, False, True]


def test_an_entry_larger_than_the_bound_is_not_kept() -> None:
    cache = MemoryCache(1_000)
    cache.put(b"a", entry(2_000))
    assert (len(cache), cache.size_bytes) == (0, 0)


def test_replacing_an_entry_by_one_that_is_too_large_forgets_it() -> None:
    cache = MemoryCache(1_000)
    cache.put(b"a", entry(10))
    cache.put(b"a", entry(2_000))
    assert cache.get(b"a") is None


def test_clearing_counts_what_there_was() -> None:
    cache = MemoryCache(10_000)
    cache.put(b"a", entry(1))
    assert (cache.clear(), cache.size_bytes) == (1, 0)


@given(
    st.integers(0, 5_000),
    st.lists(st.tuples(st.binary(min_size=1, max_size=1), st.integers(0, 3_000))),
)
def test_the_bound_always_holds_and_sizes_add_up(limit: int, puts: list[tuple[bytes, int]]) -> None:
    cache = MemoryCache(limit)
    for key, size in puts:
        cache.put(key, entry(size))
        assert cache.size_bytes <= limit
    kept = [cache.get(key) for key in {key for key, _ in puts}]
    sizes = [len(one.answer.body) + ENTRY_OVERHEAD_BYTES for one in kept if one is not None]
    assert cache.size_bytes == sum(sizes)
