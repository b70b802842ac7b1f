"""Hostile certificate signing requests, as real PEM: pools of parts, each marked as good or not when it is made.

What a request shall be judged as follows from its parts, so that nothing of the code under test is needed to know it.
What `cryptography` refuses to build (two equal extensions, other exponents, wrong bytes) is put together from DER.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import random
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type as Asn1
from cryptography.x509.oid import AttributeOID, NameOID

from domain.certificate import Kind, SigningPolicy, profile_of
from domain.model import CLIENT_POD

SAN: Final = x509.ObjectIdentifier("2.5.29.17")
#: Of the same length as the one above, so that its bytes can be put in its place.
ALMOST_SAN: Final = x509.ObjectIdentifier("2.5.29.99")
Attribute = tuple[x509.ObjectIdentifier, str, Asn1]


@dataclass(frozen=True)
class Part:
    """One choice: what it is, and for which kinds of certificate it is what certagent would send."""

    name: str
    value: Any
    good: frozenset[Kind] = frozenset()


BOTH: Final = frozenset[Kind](("node", "client"))
NODE: Final = frozenset[Kind](("node",))
CLIENT: Final = frozenset[Kind](("client",))


def tlv(tag: int, content: bytes) -> bytes:
    """One piece of DER."""
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x80 | (n := (size.bit_length() + 7) // 8)]) + size.to_bytes(n)
    return bytes([tag]) + length + content


def integer(value: int) -> bytes:
    """A positive number in DER."""
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1))


def armored(der: bytes, label: str = "CERTIFICATE REQUEST") -> bytes:
    """PEM of DER."""
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n".encode()


def resigned(request: x509.CertificateSigningRequest, key: ec.EllipticCurvePrivateKey, changed: bytes) -> bytes:
    """The request with other bytes of the same length in it, signed again as it should be."""
    der = request.public_bytes(Encoding.DER)
    body = request.tbs_certrequest_bytes
    end = der.index(body) + len(body)
    algorithm = der[end : end + 2 + der[end + 1]]
    return tlv(0x30, changed + algorithm + tlv(0x03, b"\0" + key.sign(changed, ec.ECDSA(hashes.SHA256()))))


def rsa_request(subject: x509.Name, exponent: int, key: rsa.RSAPrivateKey) -> bytes:
    """A request of an RSA key with any exponent, rightly signed."""
    private = key.private_numbers()
    modulus = private.public_numbers.n
    oid = tlv(0x30, bytes.fromhex("06092a864886f70d0101010500"))
    spki = tlv(0x30, oid + tlv(0x03, b"\0" + tlv(0x30, integer(modulus) + integer(exponent))))
    body = tlv(0x30, integer(0) + subject.public_bytes() + spki + tlv(0xA0, b""))
    digest = tlv(0x30, bytes.fromhex("300d06096086480165030402010500") + tlv(0x04, hashlib.sha256(body).digest()))
    padded = b"\0\1" + b"\xff" * (key.key_size // 8 - 3 - len(digest)) + b"\0" + digest
    inverse = pow(exponent, -1, (private.p - 1) * (private.q - 1)) if exponent > 1 else 1
    signature = pow(int.from_bytes(padded), inverse, modulus).to_bytes(key.key_size // 8)
    return tlv(0x30, body + tlv(0x30, bytes.fromhex("06092a864886f70d01010b0500")) + tlv(0x03, b"\0" + signature))


def _cn(text: str, kind: Asn1 = Asn1.UTF8String) -> Attribute:
    return (NameOID.COMMON_NAME, text, kind)


def _o(text: str = "Cockroach", kind: Asn1 = Asn1.UTF8String) -> Attribute:
    return (NameOID.ORGANIZATION_NAME, text, kind)


def subjects() -> list[Part]:
    """Subjects; good in any encoding of the same text, since the certificate is built from policy."""
    texts = [
        "node\0", "node\0.evil.example", "\0node", "n\u043ede", "Node", "NODE", " node", "node ", "node\n", "admin",
        "node,O=Cockroach", "node/CN=root", "root\0", "\u202eedon", "node\u200b", "", "n" * 65, "n" * 4000, "*",
        "node;root", "ｎｏｄｅ", "nodé", "cockroachdb-0", "system:masters", "\ufffd", "😀", "no\u00adde",
    ]  # fmt: skip
    # A letter outside of its encoding's range can be written by none but UTF8String.
    organizations = ["", "cockroach", "Cockroach\0", "Cockroach ", "Evil"]
    encodings = [Asn1.PrintableString, Asn1.BMPString, Asn1.T61String, Asn1.UniversalString, Asn1.IA5String]
    return [
        *[Part("node", [_o(), _cn("node")], NODE)] * 12,
        *[Part("root", [_o(), _cn("root")], CLIENT)] * 12,
        Part("node, the other way round", [_cn("node"), _o()], NODE),
        Part("root, the other way round", [_cn("root"), _o()], CLIENT),
        *(Part(f"node as {e.name}", [_o(kind=e), _cn("node", e)], NODE) for e in encodings),
        *(Part(f"root as {e.name}", [_o(kind=e), _cn("root", e)], CLIENT) for e in encodings),
        *(Part(f"CN {text[:20]!r}", [_o(), _cn(text)]) for text in texts),
        *(Part(f"O {text[:20]!r}", [_o(text), _cn("node")]) for text in organizations),
        Part("no O", [_cn("node")]),
        Part("no CN", [_o()]),
        Part("nothing", []),
        Part("two CNs", [_o(), _cn("node"), _cn("root")]),
        Part("CN twice", [_o(), _cn("node"), _cn("node")]),
        Part("O twice", [_o(), _o(), _cn("root")]),
        Part("OU", [_o(), _cn("node"), (NameOID.ORGANIZATIONAL_UNIT_NAME, "admins", Asn1.UTF8String)]),
        Part("serial number", [_o(), _cn("root"), (NameOID.SERIAL_NUMBER, "1", Asn1.PrintableString)]),
        Part("e-mail", [_o(), _cn("root"), (NameOID.EMAIL_ADDRESS, "a@example.org", Asn1.IA5String)]),
        Part("CN=root of another O", [_o("system:masters"), _cn("root")]),
    ]  # fmt: skip


def name_sets(policy: SigningPolicy, *, pod: str) -> list[Part]:
    """Lists of alternative names, and raw bytes in their place."""
    profile = profile_of(policy, kind="node", pod=pod)
    good: list[x509.GeneralName] = [x509.DNSName(name) for name in profile.dns_names]
    good.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    dns, address = good[:-1], good[-1]
    others = profile_of(policy, kind="node", pod="cockroachdb-1").dns_names
    extra: list[x509.GeneralName] = [
        x509.DNSName("evil.example"), x509.DNSName("*.crdb.svc"), x509.DNSName("LOCALHOST"), x509.DNSName("localhost."),
        x509.DNSName("xn--lcalhost-54a"), x509.DNSName("localhost\0.evil.example"), x509.DNSName("127.0.0.1"),
        x509.DNSName(""), x509.DNSName("a" * 300), x509.DNSName("localhost"), x509.DNSName("node"),
        x509.UniformResourceIdentifier("https://localhost"), x509.RFC822Name("root@localhost"),
        x509.IPAddress(ipaddress.ip_address("10.0.0.1")), x509.IPAddress(ipaddress.ip_address("::1")),
        x509.IPAddress(ipaddress.ip_address("::ffff:127.0.0.1")), x509.IPAddress(ipaddress.ip_network("127.0.0.1/32")),
        x509.IPAddress(ipaddress.ip_address("0.0.0.0")), x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
        x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), tlv(0x0C, b"root")),
        x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])),
    ]  # fmt: skip
    raw = [b"", b"\x30\x00", b"\x30\x80", tlv(0x30, tlv(0x82, "löcalhost".encode())), tlv(0x30, tlv(0x82, b"\xff\xfe")),
           tlv(0x30, tlv(0x87, b"\x7f\0\0")), tlv(0x30, tlv(0x87, b"\x7f\0\0\1\0")), tlv(0x30, tlv(0x9F, b"x")),
           tlv(0x30, tlv(0x82, b"localhost")) + b"\0", b"\x30\xff\xff\xff\xff\xff"]  # fmt: skip
    return [
        *[Part("none", [], CLIENT)] * 14,
        *[Part("the pod's", good, NODE)] * 14,
        Part("the pod's, turned round", good[::-1], NODE),
        *(Part(f"and {name!r}"[:60], [*good, name]) for name in extra),
        *(Part(f"alone {name!r}"[:60], [name]) for name in extra[:8]),
        *(Part(f"without number {n}", good[:n] + good[n + 1 :]) for n in range(len(good))),
        Part("without the address", dns),
        Part("the address alone", [address]),
        Part("one twice", [*good, good[0]]),
        Part("the address twice", [*good, address]),
        Part("of another pod", [*(x509.DNSName(name) for name in others), address]),
        Part("of two pods", [*good, *(x509.DNSName(name) for name in others)]),
        Part("hundreds", [*good, *(x509.DNSName(f"a{n}") for n in range(900))]),
        *(Part(f"raw {content[:8].hex()}", x509.UnrecognizedExtension(SAN, content)) for content in raw),
    ]


def extension_sets() -> list[Part]:
    """Extensions beside the names."""
    usage = x509.KeyUsage(True, False, True, False, False, True, True, False, False)
    one: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=True, path_length=None), True), (x509.BasicConstraints(ca=True, path_length=0), True),
        (x509.BasicConstraints(ca=False, path_length=None), True), (usage, True),
        (x509.ExtendedKeyUsage([x509.ObjectIdentifier("2.5.29.37.0")]), False),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"x" * 5000), False),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.19"), b"\xff\xff"), True),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.30"), b""), True),
        (x509.NameConstraints(permitted_subtrees=[x509.DNSName("example")], excluded_subtrees=None), True),
        (x509.SubjectKeyIdentifier(b"\0" * 20), False), (x509.TLSFeature([x509.TLSFeatureType.status_request]), False),
    ]  # fmt: skip
    return [
        *[Part("none", [], BOTH)] * 30,
        *(Part(f"{kind!r}"[:60], [(kind, critical)]) for kind, critical in one),
        Part("several", one[3:6]),
        Part("names again", [(x509.UnrecognizedExtension(ALMOST_SAN, tlv(0x30, tlv(0x82, b"evil.example"))), False)]),
    ]


def keys() -> list[Part]:
    """Keys, made once; RSA ones seldom, since they sign slowly."""
    curve = ec.SECP256R1()
    return [
        *(Part("P-256", ec.generate_private_key(curve), BOTH) for _ in range(40)),
        Part("P-384", ec.generate_private_key(ec.SECP384R1())),
        Part("P-521", ec.generate_private_key(ec.SECP521R1())),
        Part("P-224", ec.generate_private_key(ec.SECP224R1())),
        Part("secp256k1", ec.generate_private_key(ec.SECP256K1())),
        Part("brainpool", ec.generate_private_key(ec.BrainpoolP256R1())),
        Part("RSA 1024", rsa.generate_private_key(65537, 1024)),
        Part("RSA 2048", rsa.generate_private_key(65537, 2048), BOTH),
        Part("RSA 2048, exponent 3", rsa.generate_private_key(3, 2048)),
        Part("RSA 2056", rsa.generate_private_key(65537, 2056)),
        Part("DSA", dsa.generate_private_key(1024)),
        Part("Ed25519", ed25519.Ed25519PrivateKey.generate()),
        Part("Ed448", ed448.Ed448PrivateKey.generate()),
    ]


def wrappings() -> list[Part]:
    """What is done to the PEM after it was made; each takes and returns PEM."""
    begin, end = b"-----BEGIN CERTIFICATE REQUEST-----", b"-----END CERTIFICATE REQUEST-----"
    key = b"-----BEGIN EC PRIVATE KEY-----\nMAA=\n-----END EC PRIVATE KEY-----\n"
    same: list[tuple[str, Callable[[bytes], bytes]]] = [
        ("as it is", lambda pem: pem),
        ("other line ends", lambda pem: pem.replace(b"\n", b"\r\n")),
        ("the old label", lambda pem: pem.replace(b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST")),
        ("a text before it", lambda pem: b"Certificate Request:\n    Data:\n" + pem),
    ]
    bad: list[tuple[str, Callable[[bytes], bytes]]] = [
        ("twice", lambda pem: pem + pem),
        ("a key behind it", lambda pem: pem + key),
        ("a certificate's label", lambda pem: pem.replace(b"CERTIFICATE REQUEST", b"CERTIFICATE")),
        ("cut", lambda pem: pem[: len(pem) // 2]),
        ("no end", lambda pem: pem.replace(end, b"")),
        ("no begin", lambda pem: pem.replace(begin, b"")),
        ("empty", lambda pem: b""),
        ("bytes", lambda pem: b"\x80\xff\0" + pem[40:]),
        ("too large", lambda pem: pem + b" " * 40_000),
        ("UTF-16", lambda pem: pem.decode().encode("utf-16")),
        ("no base64", lambda pem: pem.replace(b"\nM", b"\n*")),
    ]
    return [
        *[Part("as it is", same[0][1], BOTH)] * 30,
        *(Part(name, change, BOTH) for name, change in same),
        *(Part(name, change) for name, change in bad),
    ]


def tamperings() -> list[Part]:
    """What is done to the DER; each takes DER and returns DER."""

    def flipped(der: bytes, at: int) -> bytes:
        return der[:at] + bytes([der[at] ^ 0x01]) + der[at + 1 :]

    return [
        *[Part("none", lambda der: der, BOTH)] * 40,
        # The last byte of a signature, one in the middle of the request, one in the key.
        Part("signature", lambda der: flipped(der, len(der) - 1)),
        Part("request", lambda der: flipped(der, 20)),
        Part("version", lambda der: der.replace(b"\x02\x01\x00", b"\x02\x01\x05", 1)),
        Part("bytes behind", lambda der: der + b"\0\0"),
        Part("algorithm", lambda der: der.replace(bytes.fromhex("2a8648ce3d0403"), bytes.fromhex("2a8648ce3d04ff"))),
    ]


@dataclass(frozen=True)
class Made:
    """One request: its PEM, the kinds for which it is good, and how it came about."""

    pem: bytes
    good: frozenset[Kind]
    story: tuple[str, ...]


class Corpus:
    """Makes requests of randomly drawn parts; the same seed makes the same choices."""

    def __init__(self, policy: SigningPolicy, *, seed: int) -> None:
        self._chance = random.Random(seed)
        self._pools: dict[str, Sequence[Part]] = {
            "subject": subjects(),
            "names": name_sets(policy, pod="cockroachdb-0"),
            "extensions": extension_sets(),
            "key": keys(),
            "wrapping": wrappings(),
            "tampering": tamperings(),
        }

    def _drawn(self) -> dict[str, Part]:
        # Good for one kind, but for at most three parts: what is wrong everywhere is refused for anything.
        kind: Kind = self._chance.choice(("node", "client"))
        free = self._chance.sample(sorted(self._pools), self._chance.randrange(4))
        return {
            name: self._chance.choice(pool if name in free else [part for part in pool if kind in part.good])
            for name, pool in self._pools.items()
        }

    def make(self) -> Made:
        """Draw parts until they can be put together at all, and make the request."""
        while True:
            parts = self._drawn()
            try:
                der = _built(parts)
            except ValueError:
                continue
            changed = parts["tampering"].value(der)
            if changed == der and parts["tampering"].name != "none":
                continue
            wrapped = parts["wrapping"].value(armored(changed))
            good = frozenset.intersection(*(part.good for part in parts.values()))
            return Made(wrapped, good, tuple(f"{name}: {part.name}" for name, part in parts.items()))


def _built(parts: dict[str, Part]) -> bytes:
    key = parts["key"].value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        attributes = [
            x509.NameAttribute(oid, text, kind, _validate=False) for oid, text, kind in parts["subject"].value
        ]
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
        names = parts["names"].value
        if isinstance(names, x509.UnrecognizedExtension):
            builder = builder.add_extension(names, critical=False)
        elif names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        for extension, is_critical in parts["extensions"].value:
            builder = builder.add_extension(extension, critical=is_critical)
        builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, b"12345")
        is_plain = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
        request = builder.sign(key, None if is_plain else hashes.SHA256())
    if parts["extensions"].name == "names again" and isinstance(key, ec.EllipticCurvePrivateKey):
        return resigned(request, key, request.tbs_certrequest_bytes.replace(b"\x55\x1d\x63", b"\x55\x1d\x11"))
    return request.public_bytes(Encoding.DER)


#: Where a request comes from: the pod that asked, by kind.
PODS: Final[dict[Kind, str]] = {"node": "cockroachdb-0", "client": CLIENT_POD}
