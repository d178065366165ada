"""The security policies, and the keys of one channel: OPN under RSA, MSG and CLO under AES and HMAC (OPC 10000-6 6.7).

The primitives are asyncua's and the cryptography package's.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from asyncua.crypto import uacrypto
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from server.opcua.transport.framing import CHUNK, HEADER, MESSAGE, OPEN, security_error
from server.security.pki import OwnCertificate

MODE_NONE, MODE_SIGN, MODE_ENCRYPT = 1, 2, 3
NONCE_BYTES = 32
SIGNATURE_BYTES = 32
"""HMAC-SHA256, the symmetric signature of every policy here."""
BLOCK_BYTES = 16
MAX_KEY_BITS = 4096
"""The policies end here (OPC 10000-7); it also bounds what a stranger's OPN costs."""
MIN_KEY_BITS = 2048
UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)
"""What parts of a certificate that only look like one can raise."""
CLEAR_BYTES = 16
"""Message header, channel id and token id of a MSG: signed, never encrypted."""
_PADDING = tuple(bytes([count]) * (count + 1) for count in range(256))
"""PaddingSize and padding, all of the same value (OPC 10000-6 6.7.2.5)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One SecurityPolicy of OPC 10000-7 (group SecurityPolicy)."""

    uri: str
    signature_uri: str
    encryption_uri: str
    key_bytes: int
    """AES key."""
    overhead_bytes: int
    """What OAEP takes of each RSA block."""
    sign: Callable[[Any, bytes], bytes]
    verify: Callable[[Any, bytes, bytes], None]
    encrypt: Callable[[Any, bytes], bytes]
    decrypt: Callable[[Any, bytes], bytes]


_PREFIX = "http://opcfoundation.org/UA/SecurityPolicy#"
POLICY_NONE = _PREFIX + "None"
_PKCS1 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_OAEP = "http://www.w3.org/2001/04/xmlenc#rsa-oaep"

POLICIES = {
    policy.uri: policy
    for policy in (
        Policy(
            uri=_PREFIX + "Basic256Sha256",
            signature_uri=_PKCS1,
            encryption_uri=_OAEP,
            key_bytes=32,
            overhead_bytes=42,
            sign=uacrypto.sign_sha256,
            verify=uacrypto.verify_sha256,
            encrypt=uacrypto.encrypt_rsa_oaep,
            decrypt=uacrypto.decrypt_rsa_oaep,
        ),
        Policy(
            uri=_PREFIX + "Aes128_Sha256_RsaOaep",
            signature_uri=_PKCS1,
            encryption_uri=_OAEP,
            key_bytes=16,
            overhead_bytes=42,
            sign=uacrypto.sign_sha256,
            verify=uacrypto.verify_sha256,
            encrypt=uacrypto.encrypt_rsa_oaep,
            decrypt=uacrypto.decrypt_rsa_oaep,
        ),
        Policy(
            uri=_PREFIX + "Aes256_Sha256_RsaPss",
            signature_uri="http://opcfoundation.org/UA/security/rsa-pss-sha2-256",
            encryption_uri="http://opcfoundation.org/UA/security/rsa-oaep-sha2-256",
            key_bytes=32,
            overhead_bytes=66,
            sign=uacrypto.sign_pss_sha256,
            verify=uacrypto.verify_pss_sha256,
            encrypt=uacrypto.encrypt_rsa_oaep_sha256,
            decrypt=uacrypto.decrypt_rsa_oaep_sha256,
        ),
    )
}
"""The policies that sign and encrypt, by URI."""


def usable_key(certificate: x509.Certificate) -> bool:
    """True when the certificate's key fits the policies: RSA of 2048 to 4096 bit."""
    try:
        key = certificate.public_key()
    except UNREADABLE:
        return False
    return isinstance(key, rsa.RSAPublicKey) and MIN_KEY_BITS <= key.key_size <= MAX_KEY_BITS


class AsymmetricKeys:
    """Our key and a peer's under one policy: OPN, and the signatures of sessions."""

    __slots__ = ("_own", "_peer", "_peer_key", "_peer_thumbprint", "_thumbprint", "policy")

    def __init__(self, policy: Policy, own: OwnCertificate, peer: x509.Certificate, peer_der: bytes) -> None:
        key = peer.public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            raise TypeError("the peer's key must be RSA")
        self.policy = policy
        self._own = own
        self._peer = peer
        self._peer_key = key
        self._peer_thumbprint = hashlib.sha1(peer_der, usedforsecurity=False).digest()
        self._thumbprint = hashlib.sha1(own.der, usedforsecurity=False).digest()

    def open(self, data: bytes, start: int, encrypted_from: int, stop: int, thumbprint: bytes) -> bytes:
        """Sequence header and body of the OPN in data[start:stop].

        Raises:
            TransportError: it is not for us, was not made by the peer's key, or its padding is wrong.
        """
        if not hmac.compare_digest(thumbprint, self._thumbprint):
            raise security_error("the receiver's certificate thumbprint is not ours")
        block = self._own.key.key_size // 8
        count, left = divmod(stop - encrypted_from, block)
        if left or not count:
            raise security_error("the OPN is not made of whole RSA blocks")
        try:
            plain = b"".join(
                self.policy.decrypt(self._own.key, data[at : at + block]) for at in range(encrypted_from, stop, block)
            )
        except ValueError:
            raise security_error("the OPN cannot be decrypted") from None
        signature_bytes = self._peer_key.key_size // 8
        if len(plain) <= signature_bytes + 8:
            raise security_error("the OPN is too short for its signature")
        content, signature = plain[:-signature_bytes], plain[-signature_bytes:]
        if not self.verify(data[start:encrypted_from] + content, signature):
            raise security_error("the signature of the OPN is wrong")
        # Above 2048 bit the size of the padding has a second, higher byte behind the padding.
        extra = 1 if block > 256 else 0
        size = content[-1 - extra] + 256 * (content[-1] if extra else 0)
        if size + 1 + extra + 8 > len(content):
            raise security_error("the padding of the OPN is wrong")
        padding = content[len(content) - size - 1 - extra : len(content) - extra]
        if padding != bytes([size & 0xFF]) * (size + 1):
            raise security_error("the padding of the OPN is wrong")
        return content[: len(content) - size - 1 - extra]

    def seal(self, channel_id: int, sequence: int, request_id: int, body: bytes) -> bytes:
        """An OPN response, signed with our key and encrypted for the peer."""
        block = self._peer_key.key_size // 8
        extra = 1 if block > 256 else 0
        signature_bytes = self._own.key.key_size // 8
        room = block - self.policy.overhead_bytes
        size = -(8 + len(body) + 1 + extra + signature_bytes) % room
        padding = bytes([size & 0xFF]) * (size + 1) + (bytes([size >> 8]) if extra else b"")
        plain = HEADER.pack(sequence, request_id) + body + padding
        head = opening_head(channel_id, self.policy.uri, self._own.der, self._peer_thumbprint)
        total = 8 + len(head) + (len(plain) + signature_bytes) // room * block
        head = HEADER.pack(OPEN, total) + head
        plain += self.policy.sign(self._own.key, head + plain)
        return head + b"".join(
            self.policy.encrypt(self._peer_key, plain[at : at + room]) for at in range(0, len(plain), room)
        )

    def sign(self, data: bytes) -> bytes:
        """Our signature of `data`."""
        return self.policy.sign(self._own.key, data)

    def verify(self, data: bytes, signature: bytes) -> bool:
        """True when the peer's key made the signature of `data`."""
        try:
            self.policy.verify(self._peer, data, signature)
        except (InvalidSignature, uacrypto.InvalidSignature, ValueError, TypeError):
            return False
        return True


def opening_head(channel_id: int, policy_uri: str, certificate: bytes, thumbprint: bytes) -> bytes:
    """Channel id and asymmetric security header of an OPN; empty byte strings go out as null."""
    fields = (policy_uri.encode(), certificate, thumbprint)
    strings = ((len(field) if field else 0xFFFFFFFF).to_bytes(4, "little") + field for field in fields)
    return channel_id.to_bytes(4, "little") + b"".join(strings)


def open_none(channel_id: int, sequence: int, request_id: int, body: bytes) -> bytes:
    """An OPN response without security."""
    content = opening_head(channel_id, POLICY_NONE, b"", b"") + HEADER.pack(sequence, request_id) + body
    return HEADER.pack(OPEN, 8 + len(content)) + content


class _CbcStream:
    """AES-CBC under one key and one IV for many messages, without a new cipher context for each.

    A context goes on chaining from the last ciphertext block, but each chunk starts at the IV (OPC 10000-6 6.7.2).
    One extra block in front of each message brings the context back to it.
    """

    __slots__ = ("_after_iv", "_decrypt", "_encrypt", "_iv", "_last")

    def __init__(self, key: bytes, iv: bytes) -> None:
        cipher = Cipher(algorithms.AES(key), modes.CBC(iv))
        self._encrypt = cipher.encryptor().update
        self._decrypt = cipher.decryptor().update
        self._iv = iv
        # A block p encrypts to E(p ^ last). p = D(iv) ^ last therefore gives the IV itself as ciphertext.
        # Decrypting iv right after the context's start gives D(iv) ^ iv.
        self._after_iv = int.from_bytes(self._decrypt(iv), "big") ^ int.from_bytes(iv, "big")
        self._last = int.from_bytes(iv, "big")

    def encrypt(self, plain: bytes) -> bytes:
        """The ciphertext of whole blocks, as if the context were new."""
        sealed = self._encrypt((self._after_iv ^ self._last).to_bytes(BLOCK_BYTES, "big") + plain)
        self._last = int.from_bytes(sealed[-BLOCK_BYTES:], "big")
        return sealed[BLOCK_BYTES:]

    def decrypt(self, sealed: bytes) -> bytes:
        """The plaintext of whole blocks, as if the context were new."""
        return self._decrypt(self._iv + sealed)[BLOCK_BYTES:]


class SymmetricKeys:
    """The keys of one security token; `open` and `seal` are made for the mode at construction."""

    __slots__ = ("_cipher_in", "_cipher_out", "_encrypted", "_mac_in", "_mac_out")

    def __init__(self, policy: Policy, mode: int, client_nonce: bytes, server_nonce: bytes) -> None:
        sizes = (SIGNATURE_BYTES, policy.key_bytes, BLOCK_BYTES)
        # OPC 10000-6 6.7.5: the keys of a side come from the other side's nonce as secret and its own as seed.
        their_mac, their_key, their_iv = uacrypto.p_sha256(server_nonce, client_nonce, sizes)
        our_mac, our_key, our_iv = uacrypto.p_sha256(client_nonce, server_nonce, sizes)
        self._mac_in = hmac.new(their_mac, digestmod="sha256")
        self._mac_out = hmac.new(our_mac, digestmod="sha256")
        self._encrypted = mode == MODE_ENCRYPT
        self._cipher_in = _CbcStream(their_key, their_iv)
        self._cipher_out = _CbcStream(our_key, our_iv)

    def body_limit(self, buffer_bytes: int) -> int:
        """The largest body whose chunk fits a buffer."""
        room = buffer_bytes - CLEAR_BYTES
        if self._encrypted:
            room -= room % BLOCK_BYTES + 1
        return room - 8 - SIGNATURE_BYTES

    def open(self, data: bytes, start: int, stop: int) -> bytes:
        """Sequence header and body of the MSG or CLO in data[start:stop].

        Raises:
            TransportError: it was not made with these keys.
        """
        clear_end = start + CLEAR_BYTES
        if self._encrypted:
            if (stop - clear_end) % BLOCK_BYTES or stop - clear_end <= SIGNATURE_BYTES:
                raise security_error("the message is not made of whole cipher blocks")
            plain = self._cipher_in.decrypt(data[clear_end:stop])
        else:
            plain = data[clear_end:stop]
        content = plain[:-SIGNATURE_BYTES]
        mac = self._mac_in.copy()
        mac.update(data[start:clear_end] + content)
        if not hmac.compare_digest(mac.digest(), plain[-SIGNATURE_BYTES:]):
            raise security_error("the signature of a message is wrong")
        if self._encrypted:
            size = content[-1]
            if not content.endswith(_PADDING[size]):
                raise security_error("the padding of a message is wrong")
            content = content[: -size - 1]
        if len(content) < 8:
            raise security_error("a message is shorter than its sequence header")
        return content

    def seal(
        self, channel_id: int, token_id: int, sequence: int, request_id: int, body: bytes, kind: int = MESSAGE
    ) -> bytes:
        """One chunk with its body."""
        if not self._encrypted:
            size = CLEAR_BYTES + 8 + len(body) + SIGNATURE_BYTES
            signed = CHUNK.pack(kind, size, channel_id, token_id, sequence, request_id) + body
            mac = self._mac_out.copy()
            mac.update(signed)
            return signed + mac.digest()
        # 8 bytes of sequence header, the body, one byte of padding size; the signature fills whole blocks.
        padding = _PADDING[-(9 + len(body)) % BLOCK_BYTES]
        size = CLEAR_BYTES + 8 + len(body) + len(padding) + SIGNATURE_BYTES
        signed = CHUNK.pack(kind, size, channel_id, token_id, sequence, request_id) + body + padding
        mac = self._mac_out.copy()
        mac.update(signed)
        return signed[:CLEAR_BYTES] + self._cipher_out.encrypt(signed[CLEAR_BYTES:] + mac.digest())
