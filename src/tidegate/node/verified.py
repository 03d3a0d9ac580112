"""Reading a bundle with all the checks that come before it may serve."""

from tidegate.adapters.bundles.folder import BundleFolder
from tidegate.bundles.golden import check_golden
from tidegate.bundles.manifest import check_encoder, unpack
from tidegate.domain.bundle import Bundle
from tidegate.ports.encoder import Encoder
from tidegate.tasks.scores import score


async def read_verified(
    bundles: BundleFolder, name: str, version: str, encoder: Encoder
) -> tuple[Bundle, float]:
    """Give a version, and how far its golden scores are off here; raises BundleError."""
    bundle = unpack(bundles.read(name, version), name=name, version=version)
    return bundle, await check_here(bundle, encoder)


async def check_here(bundle: Bundle, encoder: Encoder) -> float:
    """Check that a bundle is for this encoder and scores as where it was fitted."""
    check_encoder(bundle, encoder.fingerprint)
    return check_golden(bundle, await golden_scores(bundle, encoder))


async def golden_scores(bundle: Bundle, encoder: Encoder) -> list[list[float]]:
    """Give what the head says here to the bundle's golden texts."""
    texts = [golden.text for golden in bundle.golden]
    return [score(bundle.head, text, await encoder.encode(text)) for text in texts]
