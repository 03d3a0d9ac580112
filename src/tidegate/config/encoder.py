"""Settings of the encoder to where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tidegate.adapters.encoder_folder import AS_IT_IS, Described
from tidegate.adapters.encoder_hub import HubModel
from tidegate.config.document import Document
from tidegate.config.encoder_settings import EncoderSettings
from tidegate.config.references import resolve


@dataclass(frozen=True, slots=True)
class EncoderSource:
    """Where the encoder comes from; neither: the one that ships."""

    path: Path | None = None
    hub: HubModel | None = None
    given: Described = AS_IT_IS

    @property
    def is_shipped(self) -> bool:
        """Whether it is the one in the package."""
        return self.path is None and self.hub is None


def configure_encoder(
    settings: EncoderSettings, document: Document, environment: Mapping[str, str], folder: Path
) -> EncoderSource:
    """Resolve paths and the key; what is wrong is reported to `document`."""
    given = Described(settings.pooling, settings.prefix, settings.dimensions)
    path = None
    if settings.path is not None:
        path = (folder / Path(settings.path).expanduser()).absolute()
        if settings.hub is not None:
            document.report(
                ("encoder", "hub"), "`encoder.path` and `encoder.hub` exclude each other; keep one"
            )
        if not path.is_dir():
            document.report(("encoder", "path"), f"`encoder.path`: there is no folder `{path}`")
    hub = _hub(settings, document, environment, folder)
    if path is None and hub is None and given != AS_IT_IS:
        field = next(
            name
            for name in ("pooling", "prefix", "dimensions")
            if getattr(settings, name) is not None
        )
        document.report(
            ("encoder", field),
            f"`encoder.{field}` is known of the encoder that ships; give `path` or `hub` with it",
        )
    return EncoderSource(path, hub, given)


def _hub(
    settings: EncoderSettings, document: Document, environment: Mapping[str, str], folder: Path
) -> HubModel | None:
    if settings.hub is None:
        for field in ("revision", "key"):
            if getattr(settings, field) is not None:
                document.report(
                    ("encoder", field), f"`encoder.{field}` does nothing without `encoder.hub`"
                )
        return None
    if settings.revision is None:
        document.report(
            ("encoder", "hub"),
            "`encoder.hub` needs `encoder.revision`, the commit as 40 hexadecimal digits: a branch"
            " could change under your heads",
        )
        return None
    secret = None
    if settings.key is not None:
        resolved = resolve(settings.key, environment, folder)
        if resolved.problem is not None:
            document.report(("encoder", "key"), f"`encoder.key`: {resolved.problem}")
        if resolved.warning is not None:
            document.warn(("encoder", "key"), f"`encoder.key`: {resolved.warning}")
        secret = resolved.secret
    return HubModel(settings.hub, settings.revision, settings.hub_url.rstrip("/"), secret)
