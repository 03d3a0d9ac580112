"""The encoder that a configuration asks for: shipped, a folder, or from a hub."""

from pathlib import Path

from tidegate.adapters.encoder_files import shipped
from tidegate.adapters.encoder_hub import fetch
from tidegate.adapters.engines.onnx_encoder import OnnxEncoder, OnnxEncoderSettings
from tidegate.config.encoder import EncoderSource

FETCHED = "encoders"
"""Folder in the state directory for what came from a hub."""


def encoder_folder(source: EncoderSource, state: Path) -> Path:
    """Give the encoder's folder; what comes from a hub is fetched when it is not there yet."""
    if source.hub is not None:
        return fetch(source.hub, state / FETCHED)
    return source.path or shipped()


def make_encoder(source: EncoderSource, state: Path, settings: OnnxEncoderSettings) -> OnnxEncoder:
    """Make the encoder, unopened."""
    return OnnxEncoder(encoder_folder(source, state), settings, source.given)


def open_encoder(source: EncoderSource, state: Path, threads: int) -> OnnxEncoder:
    """Give the encoder opened and checked, for verbs; the caller closes it."""
    encoder = make_encoder(source, state, OnnxEncoderSettings(threads=threads))
    try:
        encoder.open()
        encoder.check()
    except BaseException:
        encoder.close()
        raise
    return encoder
