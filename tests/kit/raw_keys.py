"""Keys of a raw secure channel: asymmetric for OPN, symmetric for MSG; asyncua's primitives, none of its chunk code."""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asyncua import ua
from asyncua.crypto import security_policies as policies
from asyncua.crypto import uacrypto
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

if TYPE_CHECKING:
    from tests.kit.opcua import Identity

NONE_URI = "http://opcfoundation.org/UA/SecurityPolicy#None"
BLOCK = 16


class ForgedError(Exception):
    """What the server sent does not verify."""


@dataclass(frozen=True)
class Suite:
    """The algorithms of one security policy."""

    policy: Any
    encrypt: Callable[[Any, bytes], bytes]
    decrypt: Callable[[Any, bytes], bytes]
    overhead: int  # bytes of an RSA block that OAEP takes
    signer: Any
    verifier: Any

    @property
    def uri(self) -> str:
        return str(self.policy.URI)


SUITES = {
    suite.uri: suite
    for suite in (
        Suite(
            policies.SecurityPolicyBasic256Sha256,
            uacrypto.encrypt_rsa_oaep,
            uacrypto.decrypt_rsa_oaep,
            42,
            policies.SignerSha256,
            policies.VerifierSha256,
        ),
        Suite(
            policies.SecurityPolicyAes128Sha256RsaOaep,
            uacrypto.encrypt_rsa_oaep,
            uacrypto.decrypt_rsa_oaep,
            42,
            policies.SignerSha256,
            policies.VerifierSha256,
        ),
        Suite(
            policies.SecurityPolicyAes256Sha256RsaPss,
            uacrypto.encrypt_rsa_oaep_sha256,
            uacrypto.decrypt_rsa_oaep_sha256,
            66,
            policies.SignerPssSha256,
            policies.VerifierPssSha256,
        ),
    )
}


def encrypt_for(certificate: bytes, uri: str, data: bytes) -> bytes:
    """Data encrypted block by block for the owner of a DER certificate."""
    suite = SUITES[uri]
    key = uacrypto.x509_from_der(certificate).public_key()
    size = key.key_size // 8 - suite.overhead
    return b"".join(suite.encrypt(key, data[first : first + size]) for first in range(0, len(data), size))


def sign_as(identity: Identity, uri: str, data: bytes) -> ua.SignatureData:
    """The signature of an identity as CreateSession and ActivateSession carry it."""
    suite = SUITES[uri]
    return ua.SignatureData(suite.policy.AsymmetricSignatureURI, suite.signer(identity.key).signature(data))


def check_signature(certificate: bytes, uri: str, data: bytes, signature: bytes) -> None:
    """Raises ForgedError unless the owner of the DER certificate signed the data."""
    try:
        SUITES[uri].verifier(uacrypto.x509_from_der(certificate)).verify(data, signature)
    except uacrypto.InvalidSignature:
        raise ForgedError("signature") from None


def _padding(size: int, block: int, cipher_block: int) -> bytes:
    """What follows `size` bytes to fill whole blocks; two length bytes above 2048 bits (OPC 10000-6 6.7.2.5)."""
    wide = cipher_block > 256
    count = -(size + (2 if wide else 1)) % block
    return bytes([count & 0xFF]) * (count + 1) + (bytes([count >> 8]) if wide else b"")


class Plain:
    """No security: SecurityPolicy None."""

    def secure(self, head: bytes, body: bytes, tamper: Callable[[bytes], bytes] | None = None) -> bytes:
        """One chunk: head (its size field is filled here) and body, wrapped; `tamper` changes what goes on the wire."""
        whole = head[:4] + struct.pack("<I", len(head) + len(body)) + head[8:] + body
        return tamper(whole) if tamper else whole

    def open(self, head: bytes, body: bytes) -> bytes:
        """The sequence header and content of a received chunk; raises ForgedError."""
        return body


class Asymmetric(Plain):
    """RSA of OPN: signed with our key, encrypted for the server's certificate, whatever the mode."""

    def __init__(self, uri: str, identity: Identity, server_certificate: bytes) -> None:
        suite = SUITES[uri]
        certificate = uacrypto.x509_from_der(server_certificate)
        self.suite = suite
        self.signer = suite.signer(identity.key)
        self.verifier = suite.verifier(certificate)
        self.encryptor = policies.EncryptorRsa(certificate, suite.encrypt, suite.overhead)
        self.decryptor = policies.DecryptorRsa(identity.key, suite.decrypt, suite.overhead)

    def secure(self, head: bytes, body: bytes, tamper: Callable[[bytes], bytes] | None = None) -> bytes:
        block, cipher_block = self.encryptor.plain_block_size(), self.encryptor.encrypted_block_size()
        signature_size = self.signer.signature_size()
        body += _padding(len(body) + signature_size, block, cipher_block)
        cipher_size = (len(body) + signature_size) // block * cipher_block
        head = head[:4] + struct.pack("<I", len(head) + cipher_size) + head[8:]
        whole = head + self.encryptor.encrypt(body + self.signer.signature(head + body))
        return tamper(whole) if tamper else whole

    def open(self, head: bytes, body: bytes) -> bytes:
        plain = self.decryptor.decrypt(body)
        size = self.verifier.signature_size()
        plain, signature = plain[:-size], plain[-size:]
        try:
            self.verifier.verify(head + plain, signature)
        except uacrypto.InvalidSignature:
            raise ForgedError("OPN") from None
        if self.decryptor.encrypted_block_size() > 256:
            return plain[: -(int.from_bytes(plain[-1:] + plain[-2:-1], "big") + 2)]
        return plain[: -(plain[-1] + 1)]


@dataclass(frozen=True)
class _Half:
    """Keys of one direction."""

    signing: bytes
    encrypting: bytes
    vector: bytes

    def cipher(self) -> Cipher[modes.CBC]:
        return Cipher(algorithms.AES(self.encrypting), modes.CBC(self.vector))


class Symmetric(Plain):
    """HMAC-SHA256 and AES-CBC of MSG and CLO under one token; `encrypted` is false in mode Sign."""

    def __init__(self, uri: str, client_nonce: bytes, server_nonce: bytes, *, encrypted: bool) -> None:
        policy = SUITES[uri].policy
        sizes = (policy.signature_key_size, policy.symmetric_key_size, BLOCK)
        self.encrypted = encrypted
        self.ours = _Half(*uacrypto.p_sha256(server_nonce, client_nonce, sizes))
        self.theirs = _Half(*uacrypto.p_sha256(client_nonce, server_nonce, sizes))

    def secure(self, head: bytes, body: bytes, tamper: Callable[[bytes], bytes] | None = None) -> bytes:
        size = hashlib.sha256().digest_size
        if self.encrypted:
            body += _padding(len(body) + size, BLOCK, BLOCK)
        head = head[:4] + struct.pack("<I", len(head) + len(body) + size) + head[8:]
        plain = body + hmac.digest(self.ours.signing, head + body, "sha256")
        if self.encrypted:
            encryptor = self.ours.cipher().encryptor()
            plain = encryptor.update(plain) + encryptor.finalize()
        whole = head + plain
        return tamper(whole) if tamper else whole

    def open(self, head: bytes, body: bytes) -> bytes:
        if self.encrypted:
            decryptor = self.theirs.cipher().decryptor()
            body = decryptor.update(body) + decryptor.finalize()
        size = hashlib.sha256().digest_size
        plain, signature = body[:-size], body[-size:]
        if not hmac.compare_digest(hmac.digest(self.theirs.signing, head + plain, "sha256"), signature):
            raise ForgedError("MSG")
        return plain[: -(plain[-1] + 1)] if self.encrypted else plain
