"""Opens and makes sealed files from docs/sealing.md alone, so that a test can seal what our writer never would."""

import ctypes
import ctypes.util
import hashlib
import hmac
import os
import struct

import house

MAGIC = b"TRYARD\x1a\n"
CHUNK = 1 << 20
_crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
for _name in ("EVP_CIPHER_CTX_new", "EVP_aes_256_gcm"):
    getattr(_crypto, _name).restype = ctypes.c_void_p
SET_TAG, GET_TAG = 0x11, 0x10


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = house._TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _h(key, label, data=b""):
    return hmac.new(key, label + b"\0" + data, hashlib.sha256).digest()


def _gcm(key, nonce, associated, text, tag=None):
    """Seals `text` without a tag, giving ciphertext and tag; opens it with one."""
    sealing = tag is None
    context = ctypes.c_void_p(_crypto.EVP_CIPHER_CTX_new())
    init = _crypto.EVP_EncryptInit_ex if sealing else _crypto.EVP_DecryptInit_ex
    update = _crypto.EVP_EncryptUpdate if sealing else _crypto.EVP_DecryptUpdate
    final = _crypto.EVP_EncryptFinal_ex if sealing else _crypto.EVP_DecryptFinal_ex
    out, size = ctypes.create_string_buffer(len(text) + 16), ctypes.c_int()
    try:
        assert init(context, ctypes.c_void_p(_crypto.EVP_aes_256_gcm()), None, key, nonce) == 1
        assert update(context, None, ctypes.byref(size), associated, len(associated)) == 1
        assert update(context, out, ctypes.byref(size), text, len(text)) == 1
        if not sealing:
            assert _crypto.EVP_CIPHER_CTX_ctrl(context, SET_TAG, 16, ctypes.create_string_buffer(tag, 16)) == 1
        end = ctypes.create_string_buffer(16)
        assert final(context, end, ctypes.byref(size)) == 1, "the tag differs"
        found = out.raw[:len(text)]
        if not sealing:
            return found
        made = ctypes.create_string_buffer(16)
        assert _crypto.EVP_CIPHER_CTX_ctrl(context, GET_TAG, 16, made) == 1
        return found + made.raw
    finally:
        _crypto.EVP_CIPHER_CTX_free(context)


def _nonce(i, last):
    return bytes(7) + struct.pack(">I", i) + bytes([last])


def unseal(path, key):
    """(kind, sections by name)."""
    data = path.read_bytes()
    header, body = data[:96], data[96:]
    kind, iterations, size = struct.unpack_from("<H", header, 16)[0], *struct.unpack_from("<I", header, 24), \
        struct.unpack_from("<Q", header, 80)[0]
    master = hashlib.pbkdf2_hmac("sha256", key.encode(), header[32:48], iterations)
    assert _h(master, b"key check")[:16] == header[64:80], "another key"
    file_key = _h(master, b"file key", header[48:64])
    plain, i = b"", 0
    while body:
        sealed, body = body[:CHUNK + 16], body[CHUNK + 16:]
        plain += _gcm(file_key, _nonce(i, not body), header, sealed[:-16], sealed[-16:])
        i += 1
    assert len(plain) == size
    (count,), at, entries = struct.unpack_from("<I", plain), 4, []
    for _ in range(count):
        (n,) = struct.unpack_from("<H", plain, at)
        entries.append((plain[at + 2:at + 2 + n].decode(), struct.unpack_from("<Q", plain, at + 2 + n)[0]))
        at += 2 + n + 40
    sections = {}
    for name, length in entries:
        sections[name] = plain[at:at + length]
        at += length
    return kind, sections


def seal(path, key, kind, sections, iterations=310000):
    """Writes a file that opens with `key`, whatever its sections hold."""
    names = sorted(sections, key=str.encode)
    table = struct.pack("<I", len(names))
    for name in names:
        table += struct.pack("<H", len(name)) + name.encode()
        table += struct.pack("<Q", len(sections[name])) + hashlib.sha256(sections[name]).digest()
    plain = table + b"".join(sections[name] for name in names)
    salt = b"trainyard kdf v1"
    master = hashlib.pbkdf2_hmac("sha256", key.encode(), salt, iterations)
    file_salt = os.urandom(16)
    header = MAGIC + struct.pack("<HHIHHHHII", 1, 0, 96, kind, 0, 1, 1, iterations, CHUNK)
    header += salt + file_salt + _h(master, b"key check")[:16] + struct.pack("<QI", len(plain), 0)
    header += struct.pack("<I", crc32c(header))
    file_key = _h(master, b"file key", file_salt)
    sealed = b""
    chunks = [plain[at:at + CHUNK] for at in range(0, len(plain), CHUNK)] or [b""]
    for i, chunk in enumerate(chunks):
        sealed += _gcm(file_key, _nonce(i, i == len(chunks) - 1), header, chunk)
    path.write_bytes(header + sealed)
