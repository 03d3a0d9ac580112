"""What is wrong with certificate files is told with the remedy; nothing asks on the terminal."""

import ssl
import subprocess
from pathlib import Path

import pytest

from tests.certificates import program, self_signed
from tidegate.adapters.tls_files import ServerTls, TlsFiles
from tidegate.errors import ConfigError


def test_old_versions_of_tls_are_not_spoken(tmp_path: Path) -> None:
    tls = ServerTls(TlsFiles(*self_signed(tmp_path, "gate.example")))
    assert tls.context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    certificate, _ = self_signed(tmp_path, "gate.example")
    _, key = self_signed(tmp_path / "other", "gate.example")
    with pytest.raises(ConfigError, match=r"KEY_VALUES_MISMATCH.*its own key"):
        ServerTls(TlsFiles(certificate, key))


def test_a_key_with_a_passphrase_is_refused_without_asking(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, "gate.example")
    locked = tmp_path / "locked.pem"
    arguments = ["-in", str(key), "-aes128", "-out", str(locked), "-passout", "pass:secret"]
    subprocess.run([program("openssl"), "pkey", *arguments], check=True, capture_output=True)
    with pytest.raises(ConfigError, match="without a passphrase"):
        ServerTls(TlsFiles(certificate, locked))


def test_what_is_no_certificate_is_refused_in_words(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, "gate.example")
    certificate.write_text("broken")
    with pytest.raises(ConfigError, match=r"cannot be used: \S+ .*both in PEM") as told:
        ServerTls(TlsFiles(certificate, key))
    assert "None" not in str(told.value)


@pytest.mark.parametrize("missing", ["fullchain.pem", "privkey.pem"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    files = TlsFiles(*self_signed(tmp_path, "gate.example"))
    (tmp_path / missing).unlink()
    with pytest.raises(ConfigError, match=f"{missing}` cannot be read"):
        ServerTls(files)
