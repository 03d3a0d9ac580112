"""Fetches an encoder from a model hub, once, at a commit that the operator names.

The one place that asks a hub. Every file is compared with the hash that the commit's listing gives,
and from then on with the sha256 that was written down: what serves is what was fetched.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest, sha1
from pathlib import Path
from typing import Protocol

import msgspec

from tidegate.adapters.encoder_files import MANIFEST, PLAIN_FILE
from tidegate.adapters.encoder_folder import MODELS, TOKENIZER
from tidegate.adapters.encoder_layout import CONFIG, MODULES, SENTENCES
from tidegate.domain.secret import Secret
from tidegate.errors import EncoderUnusable

PUBLIC = "https://huggingface.co"
LISTING = "hub.json"
TIMEOUT_S = 30.0
MOST_BYTES = 4_000_000_000
"""Of one encoder, all files together."""


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model at one commit."""

    name: str
    revision: str
    """The commit, 40 hexadecimal digits: a branch could change under a fingerprint."""
    endpoint: str = PUBLIC
    key: Secret | None = None


class Listing(msgspec.Struct, frozen=True):
    """What was fetched."""

    hub: str
    name: str
    revision: str
    files: dict[str, str]
    """sha256 by name."""


class _Large(Protocol):
    @property
    def sha256(self) -> str: ...


class _File(Protocol):
    @property
    def rfilename(self) -> str: ...

    @property
    def size(self) -> int | None: ...

    @property
    def blob_id(self) -> str | None: ...

    @property
    def lfs(self) -> _Large | None: ...


def fetch(model: HubModel, root: Path) -> Path:
    """Give the folder of a model below `root`; asks the hub only when it is not there yet.

    Raises EncoderUnusable; nothing half-fetched is ever taken for a model.
    """
    folder = root / f"{model.name.replace('/', '--')}--{model.revision}"
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _lock(root):
            if not folder.exists():
                _fetch(model, folder)
    except OSError as error:
        raise EncoderUnusable(f"`{folder}` cannot be written: {error.strerror or error}") from error
    _check(folder)
    return folder


def _fetch(model: HubModel, folder: Path) -> None:
    draft = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(mode=0o700)
        files = {file.rfilename: _take(model, file, draft) for file in _wanted(model)}
        # What the hub's client notes for itself.
        shutil.rmtree(draft / ".cache", ignore_errors=True)
        listing = Listing(model.endpoint, model.name, model.revision, files)
        (draft / LISTING).write_bytes(msgspec.json.format(msgspec.json.encode(listing)))
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _wanted(model: HubModel) -> Sequence[_File]:
    """List the files of the commit and choose those that an encoder is made of."""
    from huggingface_hub import HfApi

    with _told(model):
        api = HfApi(endpoint=model.endpoint, token=_token(model))
        info = api.model_info(
            model.name, revision=model.revision, files_metadata=True, timeout=TIMEOUT_S
        )
    present: dict[str, _File] = {file.rfilename: file for file in info.siblings or ()}
    if info.sha != model.revision:
        raise EncoderUnusable(
            f"{_where(model)} gave the commit {info.sha!r}, not the one asked for"
        )
    if MANIFEST in present:
        names = [name for name in present if PLAIN_FILE.fullmatch(name)]
    else:
        graph = next((name for name in MODELS if name in present), None)
        if graph is None or TOKENIZER not in present:
            raise EncoderUnusable(
                f"{_where(model)} has no `{TOKENIZER if graph else MODELS[0]}`; fetch its weights"
                " yourself and build: tidegate bundles build-encoder DIR --from FOLDER"
            )
        pooling = [name for name in present if name.endswith(f"_Pooling/{CONFIG}")]
        asked = (graph, TOKENIZER, CONFIG, MODULES, SENTENCES, *pooling)
        names = [name for name in asked if name in present]
    if sum(present[name].size or 0 for name in names) > MOST_BYTES:
        raise EncoderUnusable(f"{_where(model)} takes more than {MOST_BYTES:,} bytes")
    return [present[name] for name in names]


def _take(model: HubModel, file: _File, draft: Path) -> str:
    """Fetch one file into the draft, check it, and give its sha256."""
    from huggingface_hub import hf_hub_download

    parts = file.rfilename.split("/")
    if not all(PLAIN_FILE.fullmatch(part) for part in parts):
        raise EncoderUnusable(f"{_where(model)} lists {file.rfilename!r}, which is no plain name")
    with _told(model):
        hf_hub_download(
            model.name,
            file.rfilename,
            revision=model.revision,
            local_dir=draft,
            endpoint=model.endpoint,
            token=_token(model),
            etag_timeout=TIMEOUT_S,
        )
    path = draft.joinpath(*parts)
    found = _sha256(path)
    if file.lfs is not None:
        is_right = found == file.lfs.sha256
    else:
        content = path.read_bytes()
        # How git names a file: by the sha1 of its kind, length and content.
        named = sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
        is_right = named.hexdigest() == file.blob_id
    if not is_right:
        raise EncoderUnusable(
            f"{_where(model)} sent another `{file.rfilename}` than its commit lists (sha256"
            f" {found}); nothing was kept"
        )
    return found


def _check(folder: Path) -> None:
    """Refuse a fetched folder of which a file has changed since."""
    try:
        listing = msgspec.json.decode((folder / LISTING).read_bytes(), type=Listing)
        for name, expected in listing.files.items():
            if _sha256(folder / name) != expected:
                raise EncoderUnusable(
                    f"`{folder / name}` has changed since it was fetched; delete the folder, and it"
                    " is fetched again"
                )
    except (OSError, msgspec.DecodeError) as error:
        raise EncoderUnusable(f"`{folder}` cannot be read: {error}; delete it") from error


@contextmanager
def _told(model: HubModel) -> Iterator[None]:
    """Tell what a hub refused in our words."""
    # What the hub's client lets through when nobody answers.
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise EncoderUnusable(
            f"{_where(model)} is gated; accept its terms there and set `encoder.key`"
        ) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise EncoderUnusable(
            f"{_where(model)} does not exist, or is private and needs `encoder.key`"
        ) from error
    except (OSError, httpx2.HTTPError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise EncoderUnusable(
            f"{_where(model)} could not be fetched: {reason}; let this machine reach the hub once,"
            " or copy the model's folder here and set `encoder.path`"
        ) from error


def _where(model: HubModel) -> str:
    return f"`{model.name}` at {model.revision[:12]} on {model.endpoint}"


def _token(model: HubModel) -> str | bool:
    """Send the operator's key or none; never one that lies about on this machine."""
    return False if model.key is None else model.key.reveal()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


@contextmanager
def _lock(root: Path) -> Iterator[None]:
    """Let one process of this machine fetch at a time."""
    descriptor = os.open(root / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
