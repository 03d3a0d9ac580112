"""The text encoder in this process: tokenizers, then ONNX Runtime, one text a run.

A run holds one window of one text and no padding, so a vector never depends on other texts (dynamic
int8 takes one scale per run). Runs happen in threads (encoder_queue.py), off the event loop.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tidegate.adapters.encoder_files import Manifest
from tidegate.adapters.encoder_folder import AS_IT_IS, Described, describe
from tidegate.adapters.encoder_queue import EncoderQueue, Turn
from tidegate.adapters.encoder_session import Session, open_session
from tidegate.domain.encoding import Encoding, TokenStates, Wants
from tidegate.errors import EncoderMismatch, EncoderUnusable, EngineError, InvalidRequest

if TYPE_CHECKING:
    from tokenizers import Encoding as Tokens
    from tokenizers import Tokenizer

LARGEST_DEVIATION = 0.005
"""How far a component of a golden vector may be off. Exact kernels of other processors reach
0.003, because last bits of float32 tip a rounding; sums that saturate reach 0.010 to 0.014
(docs/encoder.md)."""

CHARACTERS_PER_TOKEN = 16
"""Only this many characters per token are tokenised, so that a megabyte of text costs what a few
pages cost. English prose has four to five."""
MANY_CHARACTERS = 1000
"""From here on the tokenizer takes its other way in, which lets go of the interpreter: a thousand
characters of any script hold it for less than 2 ms, 16,000 for up to 30."""
OVERLAP = 32
"""Tokens that a window shares with the one before it: a sentence or two, so that what is cut by the
edge of one is whole in the other."""
SPECIAL = 2
"""`[CLS]` and `[SEP]` of each window."""
UNFAMILIAR = "Does it run?"
"""Encoded once, so that a folder without golden vectors is tried too."""


@dataclass(frozen=True, slots=True)
class OnnxEncoderSettings:
    """How the encoder shares the processor."""

    threads: int = 1
    """Texts encoded at the same time; each keeps a core busy for some milliseconds."""
    queue: int = 256
    """Texts that may wait for their turn; more are refused at once."""
    windows: int = 4
    """Windows that a long text may take, one run each."""


@dataclass(frozen=True, slots=True)
class _Opened:
    manifest: Manifest
    fingerprint: str
    tokenizer: "Tokenizer"
    session: Session
    windows: int
    queue: EncoderQueue
    has_exact_sums: bool = False
    off_by: float = 0.0


class OnnxEncoder:
    """The encoder in `folder` (see encoder_files.py): build, `open`, `check`, use, `close`."""

    def __init__(
        self, folder: Path, settings: OnnxEncoderSettings, given: Described = AS_IT_IS
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._given = given
        self._state: _Opened | None = None

    @property
    def name(self) -> str:
        """The model's own name."""
        return self._opened.manifest.name

    @property
    def fingerprint(self) -> str:
        """Hash over weights, precision, tokenizer and pooling; vectors of others never mix."""
        return self._opened.fingerprint

    @property
    def dimensions(self) -> int:
        """Length of the vector."""
        return self._opened.manifest.dimensions

    @property
    def allowed_dimensions(self) -> Sequence[int]:
        """Lengths to which a vector may be cut."""
        return self._opened.manifest.allowed_dimensions

    @property
    def max_tokens(self) -> int:
        """Tokens of one window."""
        return self._opened.manifest.max_tokens

    @property
    def most_windows(self) -> int:
        """Windows that a long text may take; what is beyond them is cut and said to be."""
        return self._settings.windows

    @property
    def threads(self) -> int:
        """Texts that are encoded at the same time."""
        return self._settings.threads

    @property
    def pending(self) -> int:
        """Texts that wait or are being encoded."""
        return 0 if self._state is None else self._state.queue.pending

    @property
    def has_exact_sums(self) -> bool:
        """Whether `check` found that this processor needs the slower exact kernels."""
        return self._opened.has_exact_sums

    @property
    def off_by(self) -> float | None:
        """How far golden vectors were off here when it was checked; None: it has none."""
        return self._opened.off_by if self._opened.manifest.golden else None

    def open(self) -> None:
        """Load the files; raises EncoderMismatch when they are missing or not those listed."""
        manifest = describe(self._folder, self._given)
        settings = self._settings
        tokenizer = _load_tokenizer(self._folder / manifest.tokenizer, manifest.max_tokens)
        session = open_session(self._folder / manifest.model, manifest.pooling, sums="fast")
        queue = EncoderQueue(
            manifest.name, self._in_turn, threads=settings.threads, places=settings.queue
        )
        self._state = _Opened(
            manifest, manifest.fingerprint, tokenizer, session, settings.windows, queue
        )

    def check(self) -> None:
        """Encode the golden texts, which also warms up; raises EncoderMismatch when they differ.

        x64 processors without VNNI add 8-bit products in 16 bits, which saturates: there the
        slower exact kernels are taken.
        """
        vector = self.encode_here(UNFAMILIAR).vector
        if len(vector) != self.dimensions:
            raise EncoderUnusable(
                f"`{self._folder}` gives {len(vector)} components, {self.dimensions} are expected"
            )
        self._check_last_token()
        deviation = self.deviation()
        opened = self._state = replace(self._opened, off_by=deviation)
        if deviation <= LARGEST_DEVIATION:
            return
        model = self._folder / opened.manifest.model
        session = open_session(model, opened.manifest.pooling, sums="exact")
        self._state = replace(opened, session=session, has_exact_sums=True)
        deviation = self.deviation()
        self._state = replace(self._opened, off_by=deviation)
        if not deviation <= LARGEST_DEVIATION:
            raise EncoderMismatch(
                f"encoder `{opened.manifest.name}` gives other vectors on this processor than"
                f" `{self._folder}` promises (off by {deviation:.2g}, allowed"
                f" {LARGEST_DEVIATION:g}); install the locked version of onnxruntime"
            )

    def _check_last_token(self) -> None:
        """Refuse a graph that is not of the tokenizer's model: it would fail on some texts only."""
        known = self._opened.tokenizer.get_vocab_size()
        try:
            self._opened.session.run(["e"], {"input_ids": np.array([[known - 1]], np.int64)})
        except EngineError as error:
            raise EncoderUnusable(
                f"`{self._folder}`: its tokenizer knows {known} tokens, and its graph has nothing"
                " for the last of them; take both from the same model"
            ) from error

    async def encode(
        self, text: str, deadline: float | None = None, *, wants: Wants = "vector"
    ) -> Encoding:
        """Encode one text; `deadline` is monotonic seconds.

        Raises EngineOverloaded when too many wait, DeadlineExceeded when the turn came too late,
        InvalidRequest for a text that is not valid Unicode.
        """
        return await self._opened.queue.take(text, wants, deadline)

    def encode_here(self, text: str) -> Encoding:
        """Encode in the calling thread, past the queue: where no event loop has to go on."""
        return _encode(self._opened, text, "vector")

    def deviation(self) -> float:
        """The largest difference between golden vectors and those calculated here."""
        differences = [
            self.encode_here(golden.text).vector[: len(golden.vector)] - np.array(golden.vector)
            for golden in self._opened.manifest.golden
        ]
        # np.max lets NaN through, which then fails every comparison.
        return float(np.max([np.max(np.abs(one)) for one in differences], initial=0.0))

    def close(self) -> None:
        """Finish the texts that are being encoded, refuse those that wait, release the memory."""
        if self._state is not None:
            self._state.queue.close()
            self._state = None

    @property
    def _opened(self) -> _Opened:
        if self._state is None:
            raise EngineError(f"the encoder in `{self._folder}` is not open")
        return self._state

    def _in_turn(self, turn: Turn) -> Encoding:
        """Encode in a thread of the queue, and note how long the text waited for it."""
        queue_s = time.monotonic() - turn.queued_at
        encoding = _encode(self._opened, turn.text, turn.wants, turn.check)
        return replace(encoding, queue_s=queue_s)


def _encode(
    opened: _Opened, text: str, wants: Wants, check: Callable[[], None] = lambda: None
) -> Encoding:
    """Run every window; `check` raises when nobody waits any more."""
    windows, is_truncated = _tokenise(opened, text)
    names = ["e"] if wants == "vector" else ["e", "h"]
    runs = []
    for window in windows:
        check()
        runs.append(opened.session.run(names, {"input_ids": np.array([window.ids], np.int64)}))
    spans = _own_spans([len(window.ids) - SPECIAL for window in windows])
    vectors = _frozen(np.concatenate([run[0] for run in runs]))
    if not math.isfinite(float(vectors.sum())):
        raise EncoderUnusable(
            f"`{opened.manifest.name}` gave a vector of what is no number: its weights may hold NaN"
        )
    encoding = Encoding(
        vectors[0], SPECIAL + sum(end - start for start, end in spans), is_truncated
    )
    if len(windows) > 1:
        vector = _mean(vectors, [end - start for start, end in spans])
        encoding = replace(encoding, vector=vector, windows=vectors)
    if wants == "tokens":
        states = [run[1][0] for run in runs]
        states_of = _joined(windows, states, spans)
        encoding = replace(encoding, tokens=_without_prefix(states_of, opened.manifest.prefix))
    return encoding


def _own_spans(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Part the tokens among the windows: each takes its half of what it shares with another."""
    half = OVERLAP // 2
    last = len(lengths) - 1
    return [
        (0 if i == 0 else half, length if i == last else length - half)
        for i, length in enumerate(lengths)
    ]


def _mean(vectors: NDArray[np.float32], tokens: Sequence[int]) -> NDArray[np.float32]:
    """Mean over windows, each weighing its own tokens, brought back to length 1."""
    mean = np.array(tokens, np.float32) @ vectors
    return _frozen((mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32))


def _joined(
    windows: Sequence["Tokens"],
    states: Sequence[NDArray[np.float32]],
    spans: Sequence[tuple[int, int]],
) -> TokenStates:
    """Join windows to one row of tokens; a shared token is taken where it is farther inside."""
    rows, offsets = [], []
    for window, state, (start, end) in zip(windows, states, spans, strict=True):
        # Before the first token of the text stands `[CLS]`.
        rows.append(state[start + 1 : end + 1])
        offsets += window.offsets[start + 1 : end + 1]
    return TokenStates(_frozen(np.concatenate(rows)), tuple(offsets))


def _without_prefix(tokens: TokenStates, prefix: str) -> TokenStates:
    """Leave out what stands before the text and count from where it begins."""
    if not prefix:
        return tokens
    own = [i for i, (_, end) in enumerate(tokens.offsets) if end > len(prefix)]
    offsets = [tokens.offsets[i] for i in own]
    moved = tuple((max(0, start - len(prefix)), end - len(prefix)) for start, end in offsets)
    return TokenStates(_frozen(tokens.states[own]), moved)


def _tokenise(opened: _Opened, text: str) -> tuple[list["Tokens"], bool]:
    """Give the windows of a text, and whether it goes on behind them."""
    limit = CHARACTERS_PER_TOKEN * opened.manifest.max_tokens * opened.windows
    read = opened.manifest.prefix + text[:limit]
    tokenizer = opened.tokenizer
    try:
        if len(read) < MANY_CHARACTERS:
            encoded = tokenizer.encode(read)
        else:
            encoded = tokenizer.encode_batch([read])[0]
    except TypeError as error:
        raise InvalidRequest(
            "The text is not valid Unicode: it holds a lone surrogate. Send well-formed UTF-8."
        ) from error
    rest = encoded.overflowing
    is_truncated = len(text) > limit or len(rest) >= opened.windows
    return [encoded, *rest[: opened.windows - 1]], is_truncated


def _frozen(array: NDArray[np.float32]) -> NDArray[np.float32]:
    array.flags.writeable = False
    return array


def _load_tokenizer(path: Path, max_tokens: int) -> "Tokenizer":
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_buffer(path.read_bytes())
    except ValueError as error:
        raise EncoderUnusable(f"`{path}` is not a tokenizer: {error}") from error
    special = tokenizer.num_special_tokens_to_add(is_pair=False)
    if special != SPECIAL or max_tokens <= 2 * OVERLAP + SPECIAL:
        raise EncoderUnusable(
            f"`{path}` puts {special} control tokens around a text, and a window has {max_tokens}"
            f" tokens; {SPECIAL} and more than {2 * OVERLAP + SPECIAL} are supported"
        )
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens, stride=OVERLAP)
    # `[SEP]` in a text is text: whoever writes it must not steer the model's control tokens.
    tokenizer.encode_special_tokens = True
    return tokenizer
