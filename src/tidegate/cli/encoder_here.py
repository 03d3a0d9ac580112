"""The encoder that bundles are checked against: the configured one, as a node has it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from tidegate.adapters.engines.onnx_encoder import OnnxEncoder
from tidegate.adapters.stores.state_directory import StatePaths
from tidegate.config.configuration import Configuration
from tidegate.node.encoders import open_encoder


@contextmanager
def encoder_here(
    configuration: Configuration, paths: StatePaths, threads: int = 1
) -> Iterator[OnnxEncoder]:
    """Open the configured encoder for one verb."""
    with closing(open_encoder(configuration.encoder_source, paths.root, threads)) as encoder:
        yield encoder
