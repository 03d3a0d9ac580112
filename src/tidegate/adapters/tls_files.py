"""TLS for a listener from certificate files, and taking over changed ones without closing it."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from tidegate.errors import ConfigError


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where certificate and key lie, both in PEM."""

    certificate: Path
    """The certificate, followed by those that lead to its root."""
    key: Path
    """Its key, not encrypted."""


class ServerTls:
    """A context for a listener whose certificate can be exchanged; open connections stay."""

    def __init__(self, files: TlsFiles) -> None:
        """Read the files; raises ConfigError."""
        self._files = files
        self._current = _context(files)
        self.context = _context(files)
        """For the listener; each handshake takes the certificate that is in force then."""
        self.context.sni_callback = self._choose

    def read(self) -> ssl.SSLContext:
        """Give what the files hold now, for `use`; raises ConfigError."""
        return _context(self._files)

    def use(self, fresh: ssl.SSLContext) -> None:
        """Give new connections another certificate from here on."""
        self._current = fresh

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        del name, context
        connection.context = self._current


def _context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # A passphrase that is always wrong: without one OpenSSL would ask for it on the terminal.
        context.load_cert_chain(files.certificate, files.key, password="")
    except ssl.SSLError as error:
        raise ConfigError(
            f"`{files.certificate}` and `{files.key}` cannot be used: {error.reason or error}; give"
            " a certificate and its own key, both in PEM, the key without a passphrase"
        ) from error
    except OSError as error:
        missing = files.key if files.certificate.is_file() else files.certificate
        raise ConfigError(f"`{missing}` cannot be read: {error.strerror}") from error
    return context
