"""Reading a bundle with all the checks that come before it may serve."""

from typing import Protocol

from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.bundles.golden import TEXTS, check_golden
from tidegate.bundles.manifest import check_encoder, unpack
from tidegate.domain.bundle import Bundle, Golden, Head, StaticHead
from tidegate.domain.encoding import Encoding
from tidegate.errors import BundleError
from tidegate.node.fitting import Texts
from tidegate.ports.encoder import Encoder, StaticTable
from tidegate.tasks.cascade import static_score
from tidegate.tasks.scores import score


class Reader(Protocol):
    """As much of an encoder as golden scores need."""

    @property
    def fingerprint(self) -> str:
        """As the encoder's."""
        ...

    async def encode(self, text: str) -> Encoding:
        """Encode one text."""
        ...


class Remembered:
    """What an encoder said of the golden texts, for a process that has none at hand."""

    def __init__(self, texts: Texts) -> None:
        """`texts` were encoded here."""
        self.fingerprint = texts.encoder
        self._known = dict(zip(TEXTS, texts.encodings, strict=True))

    async def encode(self, text: str) -> Encoding:
        """Give the encoding of a golden text; raises BundleError for any other."""
        if text not in self._known:
            raise BundleError("The bundle has other golden texts than this version of Tidegate.")
        return self._known[text]


async def read_verified(
    bundles: BundleFolder,
    name: str,
    version: str,
    encoder: Encoder,
    table: StaticTable | None,
) -> tuple[Bundle, float]:
    """Give a version, and how far its golden scores are off here; raises BundleError."""
    bundle = unpack(bundles.read(name, version), name=name, version=version)
    return bundle, await check_here(bundle, encoder, table)


async def check_here(bundle: Bundle, encoder: Reader, table: StaticTable | None) -> float:
    """Check that a bundle is for this encoder and scores as where it was fitted."""
    check_encoder(bundle, encoder.fingerprint)
    texts = [golden.text for golden in bundle.golden]
    scored = [await golden(text, bundle.head, bundle.static, encoder, table) for text in texts]
    return check_golden(bundle, scored)


async def golden(
    text: str,
    head: Head,
    static: StaticHead | None,
    encoder: Reader,
    table: StaticTable | None,
) -> Golden:
    """Give what the heads say here to a text, by the functions that serve."""
    said = tuple(score(head, text, await encoder.encode(text)))
    return Golden(text, said, static_said(static, text, table))


def static_said(
    head: StaticHead | None, text: str, table: StaticTable | None
) -> tuple[float, ...] | None:
    """Give what a static head says to a text; None where it says nothing here."""
    if head is None or table is None or head.table != table.fingerprint:
        return None
    embedded = table.embed(text)
    return None if embedded is None else tuple(static_score(head, embedded.vector))
