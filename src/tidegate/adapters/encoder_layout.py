"""What a folder in the layout of sentence-transformers says about its encoder, as far as it maps.

`config.json`, `modules.json` and the pooling's own `config.json`. What cannot be run as a
transformer with mean or first-token pooling is refused by the name of the part.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import msgspec

from tidegate.adapters.encoder_files import PLAIN_FILE, Pooling
from tidegate.errors import EncoderUnusable

CONFIG = "config.json"
MODULES = "modules.json"
SENTENCES = "sentence_bert_config.json"

POSITIONS_AFTER_PADDING = frozenset({"roberta", "xlm-roberta", "camembert"})
"""Model types whose first position stands behind that of the padding token."""


class Transformer(msgspec.Struct, frozen=True, kw_only=True):
    """The part of `config.json` that is read."""

    model_type: str | None = None
    hidden_size: int | None = None
    num_hidden_layers: int | None = None
    num_attention_heads: int | None = None
    max_position_embeddings: int | None = None
    layer_norm_eps: float = 1e-12
    hidden_act: str = "gelu"
    position_embedding_type: str = "absolute"
    pad_token_id: int | None = None

    @property
    def first_position(self) -> int:
        """Row of the position table that belongs to the first token."""
        if self.model_type in POSITIONS_AFTER_PADDING:
            return (self.pad_token_id or 0) + 1
        return 0


@dataclass(frozen=True, slots=True)
class Layout:
    """An encoder as its folder describes it."""

    transformer: Transformer
    width: int
    max_tokens: int
    pooling: Pooling


class _Module(msgspec.Struct, frozen=True):
    type: str
    path: str


class _Pooling(msgspec.Struct, frozen=True, kw_only=True):
    pooling_mode: str | None = None
    pooling_mode_cls_token: bool = False
    pooling_mode_mean_tokens: bool = False
    pooling_mode_max_tokens: bool = False
    pooling_mode_mean_sqrt_len_tokens: bool = False
    pooling_mode_weightedmean_tokens: bool = False
    pooling_mode_lasttoken: bool = False


class _Sentences(msgspec.Struct, frozen=True):
    max_seq_length: int | None = None


def read_layout(folder: Path, *, pooling: Pooling | None = None) -> Layout:
    """Read a folder; `pooling` holds where the folder names none. Raises EncoderUnusable."""
    config = _read(folder / CONFIG, Transformer)
    if config is None:
        raise EncoderUnusable(
            f"`{folder}` has neither a manifest.json nor a {CONFIG}; give a folder that"
            " `tidegate bundles build-encoder` wrote, or one in the layout of sentence-transformers"
        )
    width = required(config.hidden_size, folder / CONFIG, "hidden_size")
    sentences = _read(folder / SENTENCES, _Sentences) or _Sentences()
    positions = config.max_position_embeddings
    most = None if positions is None else positions - config.first_position
    wanted = sentences.max_seq_length or most
    max_tokens = required(wanted, folder / CONFIG, "max_position_embeddings")
    if max_tokens < 1 or width < 1:
        raise EncoderUnusable(f"`{folder / CONFIG}`: sizes must be above 0")
    return Layout(
        transformer=config,
        width=width,
        max_tokens=max_tokens if most is None else min(max_tokens, most),
        pooling=_pooling(folder, pooling),
    )


def required(value: int | None, path: Path, field: str) -> int:
    """Give a number, or refuse the file that lacks it."""
    if value is None:
        raise EncoderUnusable(f"`{path}` has no `{field}`, which is needed to run this encoder")
    return value


def _pooling(folder: Path, given: Pooling | None) -> Pooling:
    modules = _read(folder / MODULES, tuple[_Module, ...])
    if modules is None:
        if given is None:
            raise EncoderUnusable(
                f"`{folder}` has no {MODULES}, so it does not say how token states become one"
                " vector; set `pooling` to `mean` or `cls`"
            )
        return given
    kinds = {module.type.rpartition(".")[2]: module.path for module in modules}
    unknown = sorted(set(kinds) - {"Transformer", "Pooling", "Normalize"})
    if unknown:
        raise EncoderUnusable(
            f"`{folder / MODULES}` lists the module `{unknown[0]}`, which is not supported:"
            " Transformer, Pooling and Normalize are"
        )
    path = kinds.get("Pooling")
    if path is None:
        if given is None:
            raise EncoderUnusable(f"`{folder / MODULES}` has no `Pooling`; set `pooling`")
        return given
    if not PLAIN_FILE.fullmatch(path):
        raise EncoderUnusable(f"`{folder / MODULES}`: {path!r} is not a folder beside it")
    file = folder / path / CONFIG
    found = _read(file, _Pooling)
    if found is None:
        raise EncoderUnusable(f"`{file}` is missing; it says how token states become one vector")
    return _mode(found, file)


def _mode(found: _Pooling, file: Path) -> Pooling:
    modes = {
        field.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
        for field in found.__struct_fields__
        if field != "pooling_mode" and getattr(found, field)
    }
    if found.pooling_mode is not None:
        modes = {found.pooling_mode}
    if not modes:
        raise EncoderUnusable(
            f"`{file}` has no `pooling_mode_mean_tokens` or other mode that is on"
        )
    unsupported = sorted(modes - {"mean", "cls"})
    if unsupported or len(modes) > 1:
        asked = ", ".join(f"`{mode}`" for mode in sorted(modes))
        raise EncoderUnusable(
            f"`{file}` asks for the pooling {asked}; supported is one of `mean` and `cls`"
        )
    return cast("Pooling", modes.pop())


_T = TypeVar("_T")


def _read(path: Path, kind: type[_T]) -> _T | None:
    """Give the content of a JSON file, None when there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EncoderUnusable(f"cannot read `{path}`: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EncoderUnusable(f"`{path}` cannot be read: {error}") from error
