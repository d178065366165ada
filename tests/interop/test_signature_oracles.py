"""Signatures and time stamps against programs that share no code with us: the JDK's XML Signature and OpenSSL's TSA."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from server.core.clock import SystemClock, from_datetime, to_datetime
from server.fdi.container import Container
from server.fdi.signature.result import SignatureState
from server.fdi.signature.signing import Signer, sign_package
from server.fdi.signature.verifying import Trust, verify
from tests.kit.packages import make_package
from tests.kit.signing import (
    CODE,
    SIGNATURE,
    STAMPING,
    Identity,
    certify,
    ec_key,
    root,
    rsa_key,
    signed,
    stamper,
    token,
)

pytestmark = pytest.mark.interop
HERE = Path(__file__).parent
TSA = """[tsa]
default_tsa = one
[one]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_alg = {hash}
"""


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.mark.parametrize("kind", ["rsa", "ecdsa-p256", "ecdsa-p384"])
def test_the_jdk_finds_our_signature_valid(kind: str, tmp_path: Path) -> None:
    key = {"rsa": rsa_key("jdk"), "ecdsa-p256": ec_key("jdk"), "ecdsa-p384": ec_key("jdk384", "P-384")}[kind]
    who = certify("JDK Packages", key, issuer=root(), usages=CODE)
    (tmp_path / "package.fdix").write_bytes(signed(make_package(), by=who, stamped=stamper()))
    (tmp_path / "signer.pem").write_bytes(who.certificate.public_bytes(Encoding.PEM))
    done = subprocess.run(
        [program("java"), HERE / "VerifySignature.java", "package.fdix", "signer.pem", SIGNATURE],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == [
        "value true",
        "#idPackageObject true",
        "#idSignedProperties true",
        "/_rels/.rels true",
        "/_rels/catalog.xml.rels true",
        "/catalog.xml true",
        "/edd/device.ddl true",
        "/protocol/mqtt.toml true",
    ], done.stderr


def openssl_stamp(message: bytes, folder: Path, authority: Identity, hash_name: str, ess: str) -> bytes:
    """A token made by `openssl ts`."""
    (folder / "tsa.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    pem = authority.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "tsa.key").write_bytes(pem)
    (folder / "tsa.cnf").write_text(TSA.format(folder=folder, hash=ess))
    (folder / "serial").write_text("01\n")
    (folder / "message").write_bytes(message)
    openssl = program("openssl")
    query = ["ts", "-query", "-data", "message", f"-{hash_name}", "-cert", "-out", "query"]
    reply = ["ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-token_out", "-out", "token"]
    for words in (query, reply):
        subprocess.run([openssl, *words], cwd=folder, check=True, capture_output=True, timeout=60)
    return (folder / "token").read_bytes()


@pytest.mark.parametrize(("hash_name", "ess"), [("sha256", "sha256"), ("sha512", "sha384")])
def test_a_time_stamp_of_openssl_is_believed(hash_name: str, ess: str, tmp_path: Path) -> None:
    # OpenSSL stamps with the machine's time, so the certificates are valid around it.
    now = to_datetime(SystemClock().now())
    span = {"begins": now.replace(year=now.year - 1), "ends": now.replace(year=now.year + 1)}
    top = certify("Root", rsa_key("root"), authority=True, **span)
    authority = certify("Clock", rsa_key("clock"), issuer=top, usages=STAMPING, critical_usage=True, **span)
    who = certify("Packages", rsa_key("maker"), issuer=top, usages=CODE, **span)
    data = sign_package(
        make_package(),
        Signer(who.key, who.certificate),
        time=from_datetime(now),
        stamp=lambda message: openssl_stamp(message, tmp_path, authority, hash_name, ess),
    )
    trust = Trust(now=SystemClock().now(), certificates=(top.certificate,))
    report = verify(Container.read(data), trust)
    assert (report.state, report.reason) == (SignatureState.VALID, "")
    stamped = report.signatures[0].time_stamp
    assert stamped is not None
    assert abs(stamped - from_datetime(now)) < 60_000_000
    # Control: the same token means nothing when the authority is not trusted.
    nobody: tuple[x509.Certificate, ...] = (certify("Root", rsa_key("other"), authority=True, **span).certificate,)
    assert verify(Container.read(data), replace(trust, certificates=nobody)).state is SignatureState.UNTRUSTED


def test_openssl_believes_the_tokens_of_the_tests(tmp_path: Path) -> None:
    # The kit writes tokens by hand: OpenSSL says that they are real ones.
    (tmp_path / "message").write_bytes(b"stamp me")
    (tmp_path / "token").write_bytes(token(b"stamp me", stamper(), to_datetime(SystemClock().now())))
    (tmp_path / "root.pem").write_bytes(root().certificate.public_bytes(Encoding.PEM))
    at = str(int(to_datetime(from_datetime(root().certificate.not_valid_before_utc)).timestamp()) + 86_400)
    words = ["ts", "-verify", "-data", "message", "-in", "token", "-token_in", "-CAfile", "root.pem", "-attime", at]
    done = subprocess.run(
        [program("openssl"), *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Verification: OK" in done.stdout + done.stderr, done.stderr
