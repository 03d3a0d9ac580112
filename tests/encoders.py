"""Small random encoders as folders in the layout of sentence-transformers, made where needed."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

Tensors = dict[str, NDArray[np.float32]]

WORDS = (
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]"),
    *("where", "is", "my", "parcel", "refund", "the", "money", "query", ":"),
    *"abcdefg",
)
LAYERS, HEADS, WIDTH, HIDDEN, POSITIONS = 2, 2, 16, 32, 96


def tensors(*, seed: int = 7, outlier: float = 1.0, width: int = WIDTH) -> Tensors:
    """Random weights; `outlier` multiplies what feeds one hidden unit of every layer."""
    draw = np.random.default_rng(seed)

    def weights(*shape: int) -> NDArray[np.float32]:
        return (draw.normal(size=shape) * 0.3).astype(np.float32)

    found = {
        "embeddings.word_embeddings.weight": weights(len(WORDS), width),
        "embeddings.position_embeddings.weight": weights(POSITIONS, width),
        "embeddings.token_type_embeddings.weight": weights(2, width),
    }
    norms = ["embeddings.LayerNorm"]
    linears = {}
    for index in range(LAYERS):
        prefix = f"encoder.layer.{index}."
        norms += [f"{prefix}attention.output.LayerNorm", f"{prefix}output.LayerNorm"]
        for name in ("self.query", "self.key", "self.value", "output.dense"):
            linears[f"{prefix}attention.{name}"] = (width, width)
        linears[f"{prefix}intermediate.dense"] = (HIDDEN, width)
        linears[f"{prefix}output.dense"] = (width, HIDDEN)
    for name in norms:
        found |= {f"{name}.weight": 1 + weights(width), f"{name}.bias": weights(width)}
    for name, shape in linears.items():
        found |= {f"{name}.weight": weights(*shape), f"{name}.bias": weights(shape[0])}
        if "intermediate" in name:
            found[f"{name}.weight"][3] *= outlier
    return found


def safetensors(content: Mapping[str, NDArray[np.generic]]) -> bytes:
    """Write tensors of float32 or float16 as the format says: header, then bodies."""
    kinds = {"float32": "F32", "float16": "F16", "uint16": "BF16", "int64": "I64"}
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, value in content.items():
        start = len(body)
        body += value.tobytes()
        header[name] = {
            "dtype": kinds[str(value.dtype)],
            "shape": list(value.shape),
            "data_offsets": [start, len(body)],
        }
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def tokenizer() -> Tokenizer:
    """One token a word of `WORDS`, with control tokens around."""
    made = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    made.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return made


def published(
    folder: Path,
    *,
    config: Mapping[str, object] | None = None,
    pooling: str = "mean",
    weights: Tensors | None = None,
    width: int = WIDTH,
) -> Path:
    """Make a folder as a model hub would hold it; `config` replaces fields, None drops one."""
    described: dict[str, object] = {
        "model_type": "bert",
        "hidden_size": width,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "max_position_embeddings": POSITIONS,
        "hidden_act": "gelu",
        "pad_token_id": 0,
        **(config or {}),
    }
    (folder / "1_Pooling").mkdir(parents=True)
    files: dict[str, object] = {
        "config.json": {key: value for key, value in described.items() if value is not None},
        "modules.json": [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (path, kind) in enumerate(
                [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
            )
        ],
        "1_Pooling/config.json": {
            f"pooling_mode_{mode}": mode.startswith(pooling)
            for mode in ("cls_token", "mean_tokens", "max_tokens")
        },
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(safetensors(weights or tensors(width=width)))
    tokenizer().save(str(folder / "tokenizer.json"))
    return folder
