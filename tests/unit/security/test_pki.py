"""Certificates on disk: own pair, trust, chains, what is refused and why, changes without restart."""

from __future__ import annotations

import datetime
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from server.core.clock import SystemClock
from server.core.errors import ConfigurationError, NotFoundError
from server.security import pki
from server.security.pki import CertificateFolder, CertificateRefusedError
from tests.kit.opcua import Identity, make_identity

URI = "urn:fieldloom:test"


@pytest.fixture
def folder(tmp_path: Path) -> CertificateFolder:
    found = CertificateFolder(tmp_path / "certs", SystemClock(), rejected_limit=3)
    found.prepare()
    return found


@pytest.fixture
def client(tmp_path: Path) -> Identity:
    return make_identity(tmp_path / "clients")


def put(tmp_path: Path, part: str, identity: Identity) -> Path:
    target = tmp_path / "certs" / part / f"{identity.certificate_file.name}"
    target.write_bytes(identity.der)
    return target


def refusal(folder: CertificateFolder, chain: bytes) -> int:
    with pytest.raises(CertificateRefusedError) as caught:
        folder.check(chain)
    return caught.value.status


# -- our own


def test_own_pair_is_made_once_and_names_the_application(tmp_path: Path, folder: CertificateFolder) -> None:
    first = folder.own(URI, ["127.0.0.1", "localhost"])
    again = CertificateFolder(tmp_path / "certs", SystemClock()).own(URI, ["127.0.0.1"])
    names = first.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert again.der == first.der
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [URI]
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert first.key.key_size == 2048
    assert isinstance(first.certificate.signature_hash_algorithm, hashes.SHA256)


def test_private_key_is_for_its_owner_alone(tmp_path: Path, folder: CertificateFolder) -> None:
    folder.own(URI, ["localhost"])
    key = tmp_path / "certs/own/private/fieldloom.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_pair_of_another_application_stops_the_start_with_what_to_do(folder: CertificateFolder) -> None:
    folder.own("urn:fieldloom:other", ["localhost"])
    with pytest.raises(ConfigurationError, match="delete"):
        folder.own(URI, ["localhost"])


def test_a_key_that_does_not_fit_stops_the_start(tmp_path: Path, folder: CertificateFolder) -> None:
    folder.own(URI, ["localhost"])
    foreign = make_identity(tmp_path / "foreign")
    (tmp_path / "certs/own/private/fieldloom.pem").write_bytes(foreign.key_file.read_bytes())
    with pytest.raises(ConfigurationError, match="not the key"):
        folder.own(URI, ["localhost"])


# -- trust


def test_an_unknown_certificate_is_refused_and_listed(folder: CertificateFolder, client: Identity) -> None:
    assert refusal(folder, client.der) == pki.BAD_CERTIFICATE_UNTRUSTED
    (listed,) = folder.list_rejected()
    assert listed.thumbprint == client.thumbprint
    assert listed.application_uri == "urn:test:client"


def test_trust_and_reject_work_on_a_running_server(folder: CertificateFolder, client: Identity) -> None:
    refusal(folder, client.der)
    folder.trust(client.thumbprint.lower())
    assert folder.check(client.der) == client.certificate
    assert folder.list_rejected() == []
    folder.reject(client.thumbprint)
    assert refusal(folder, client.der) == pki.BAD_CERTIFICATE_UNTRUSTED


@pytest.mark.parametrize("thumbprint", ["../../etc/passwd", "00" * 20, "", "zz" * 20])
def test_trusting_what_is_not_there_is_an_error(folder: CertificateFolder, thumbprint: str) -> None:
    with pytest.raises(NotFoundError):
        folder.trust(thumbprint)


def test_files_copied_by_hand_count_at_once(tmp_path: Path, folder: CertificateFolder, client: Identity) -> None:
    refusal(folder, client.der)
    path = put(tmp_path, "trusted/certs", client)
    assert folder.check(client.der) == client.certificate
    path.unlink()
    assert refusal(folder, client.der) == pki.BAD_CERTIFICATE_UNTRUSTED


def test_a_trusted_authority_vouches_for_its_clients(tmp_path: Path, folder: CertificateFolder) -> None:
    authority = make_identity(tmp_path / "ca", "authority", authority=True)
    client = make_identity(tmp_path / "ca", "leaf", issuer=authority)
    assert refusal(folder, client.der) == pki.BAD_CERTIFICATE_CHAIN_INCOMPLETE
    put(tmp_path, "trusted/certs", authority)
    assert folder.check(client.der) == client.certificate
    assert folder.check(client.der + authority.der) == client.certificate


def test_an_issuer_alone_does_not_make_trust(tmp_path: Path, folder: CertificateFolder) -> None:
    authority = make_identity(tmp_path / "ca", "authority", authority=True)
    client = make_identity(tmp_path / "ca", "leaf", issuer=authority)
    put(tmp_path, "issuers/certs", authority)
    assert refusal(folder, client.der) == pki.BAD_CERTIFICATE_UNTRUSTED


def test_an_issuer_that_is_no_authority_is_refused(tmp_path: Path, folder: CertificateFolder) -> None:
    # A trusted client must not be able to vouch for others.
    trusted = make_identity(tmp_path / "ca", "trusted")
    forged = make_identity(tmp_path / "ca", "forged", issuer=trusted)
    put(tmp_path, "trusted/certs", trusted)
    assert refusal(folder, forged.der) == pki.BAD_CERTIFICATE_INVALID


def test_a_name_without_the_key_is_not_the_issuer(tmp_path: Path, folder: CertificateFolder) -> None:
    real = make_identity(tmp_path / "a", "authority", authority=True)
    fake = make_identity(tmp_path / "b", "authority", authority=True)
    put(tmp_path, "trusted/certs", real)
    forged = make_identity(tmp_path / "b", "forged", issuer=fake)
    assert refusal(folder, forged.der) == pki.BAD_CERTIFICATE_CHAIN_INCOMPLETE
    assert refusal(folder, forged.der + fake.der) == pki.BAD_CERTIFICATE_UNTRUSTED


def test_a_revoked_certificate_is_refused(tmp_path: Path, folder: CertificateFolder) -> None:
    authority = make_identity(tmp_path / "ca", "authority", authority=True)
    client = make_identity(tmp_path / "ca", "leaf", issuer=authority)
    put(tmp_path, "trusted/certs", authority)
    folder.check(client.der)
    now = datetime.datetime.now(datetime.UTC)
    entry = (
        x509.RevokedCertificateBuilder().serial_number(client.certificate.serial_number).revocation_date(now).build()
    )
    revocations = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now)
        .next_update(now + datetime.timedelta(days=1))
        .add_revoked_certificate(entry)
        .sign(authority.key, hashes.SHA256())
    )
    (tmp_path / "certs/trusted/crl/authority.crl").write_bytes(revocations.public_bytes(serialization.Encoding.DER))
    assert refusal(folder, client.der) == pki.BAD_CERTIFICATE_REVOKED


@pytest.mark.parametrize("days", [(-20, -10), (10, 20)])
def test_validity_is_checked(tmp_path: Path, folder: CertificateFolder, days: tuple[int, int]) -> None:
    client = make_identity(tmp_path / "clients", days=days)
    put(tmp_path, "trusted/certs", client)
    assert refusal(folder, client.der) == pki.BAD_CERTIFICATE_TIME_INVALID


def test_a_short_key_is_refused(tmp_path: Path, folder: CertificateFolder) -> None:
    client = make_identity(tmp_path / "clients", bits=1024)
    put(tmp_path, "trusted/certs", client)
    assert refusal(folder, client.der) == pki.BAD_CERTIFICATE_POLICY_CHECK_FAILED


def test_a_key_of_another_kind_is_refused(tmp_path: Path, folder: CertificateFolder, client: Identity) -> None:
    assert isinstance(client.certificate.public_key(), rsa.RSAPublicKey)  # control
    broken = bytearray(client.der)
    broken[-1] ^= 1  # the signature does not hold any more
    assert refusal(folder, bytes(broken)) == pki.BAD_CERTIFICATE_INVALID


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x30",
        b"\x30\x82\xff\xff",
        b"not a certificate",
        b"\x30\x80" + b"\x00" * 40,
        b"\x30\x03abc" * 4,
        b"\x30" * 40_000,
    ],
)
def test_what_is_no_certificate_is_refused(folder: CertificateFolder, content: bytes) -> None:
    assert refusal(folder, content) == pki.BAD_CERTIFICATE_INVALID


def test_a_chain_of_too_many_is_refused(folder: CertificateFolder, client: Identity) -> None:
    assert refusal(folder, client.der * 9) == pki.BAD_CERTIFICATE_INVALID


def test_a_corrupt_file_among_the_trusted_is_skipped(
    tmp_path: Path, folder: CertificateFolder, client: Identity, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "trusted/certs", client)
    (tmp_path / "certs/trusted/certs/broken.der").write_bytes(b"\x00" * 100)
    (tmp_path / "certs/trusted/certs/huge.der").write_bytes(b"\x00" * 100_000)
    assert folder.check(client.der) == client.certificate
    logged = capsys.readouterr().out
    assert "broken.der" in logged
    assert "huge.der" in logged


def test_rejected_certificates_are_bounded_and_the_oldest_goes(tmp_path: Path, folder: CertificateFolder) -> None:
    clients = [make_identity(tmp_path / "many", f"client{number}") for number in range(5)]
    for client in clients:
        refusal(folder, client.der)
    kept = {info.thumbprint for info in folder.list_rejected()}
    assert kept == {client.thumbprint for client in clients[2:]}
