import gzip
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness.errors import BenchmarkError
from benchmarks.heads.intents import read
from benchmarks.heads.kept import Arrays, kept, key
from tidegate.learning.rows import Row


def test_arrays_are_computed_once(tmp_path: Path) -> None:
    calls: list[int] = []

    def compute() -> Arrays:
        calls.append(1)
        return {"a": np.arange(3, dtype=np.float32), "b": np.array([[1.5]], dtype=np.float32)}

    for _ in range(2):
        arrays = kept(tmp_path / "cache", "name", compute)
        assert arrays["a"].tolist() == [0, 1, 2]
        assert arrays["b"].tolist() == [[1.5]]
    assert calls == [1]


def test_an_interrupted_computation_keeps_nothing(tmp_path: Path) -> None:
    def interrupted() -> Arrays:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path / "cache", "name", interrupted)
    assert not (tmp_path / "cache" / "name").exists()


def test_keys_tell_parts_apart() -> None:
    assert key("ab", "c") != key("a", "bc")
    assert key("ab", b"c") == key(b"ab", "c")


def test_rows_are_read_in_the_order_of_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "intents" / "tiny"
    folder.mkdir(parents=True)
    for part in ("train", "dev"):
        line = f'{{"text":"{part} text","label":"a","domain":"x"}}\n'
        (folder / f"{part}.jsonl.gz").write_bytes(gzip.compress(line.encode()))
    rows = read(tmp_path, "tiny", ("train", "dev"))
    assert rows == (Row("train text", "a"), Row("dev text", "a"))


@pytest.mark.parametrize("content", [None, b"no gzip", gzip.compress(b"{", mtime=0)])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    folder = tmp_path / "intents" / "tiny"
    folder.mkdir(parents=True)
    if content is not None:
        (folder / "test.jsonl.gz").write_bytes(content)
    with pytest.raises(BenchmarkError, match=r"test\.jsonl\.gz cannot be read.*--data"):
        read(tmp_path, "tiny", ("test",))
