# SPDX-License-Identifier: Apache-2.0
"""Writes small MaxMind databases for tests: IPv6 trees with 24-bit records.

Source of the format: https://maxmind.github.io/MaxMind-DB/
"""

from __future__ import annotations

import ipaddress
import struct


class Uint(int):
    """A number of a given width: Uint(5, bits=16)."""

    def __new__(cls, value: int, bits: int = 32):
        made = super().__new__(cls, value)
        made.bits = bits
        return made


def _control(kind: int, size: int) -> bytes:
    low = min(size, 29)  # up to 284 is enough for tests
    head = bytes([((kind if kind < 8 else 0) << 5) | low])
    return head + (bytes([kind - 7]) if kind > 7 else b"") + (bytes([size - 29]) if low == 29 else b"")


def encode(value) -> bytes:
    """A value of the data section."""
    if isinstance(value, str):
        text = value.encode()
        return _control(2, len(text)) + text
    if isinstance(value, float):
        return _control(3, 8) + struct.pack(">d", value)
    if isinstance(value, Uint):
        size = value.bits // 8
        return _control({16: 5, 32: 6, 64: 9}[value.bits], size) + int(value).to_bytes(size, "big")
    if isinstance(value, dict):
        return _control(7, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())
    return _control(11, len(value)) + b"".join(map(encode, value))


def database(kind: str, networks: dict) -> bytes:
    """A whole file; `networks` maps `10.0.0.0/8` and the like to values."""
    nodes: list = [[None, None]]
    data = b""
    for text, value in networks.items():
        network = ipaddress.ip_network(text)
        bits, length = int(network.network_address), network.prefixlen
        if network.version == 4:  # where IPv6 trees have them
            length += 96
        node = 0
        for i in range(length):
            side = bits >> (127 - i) & 1
            if i + 1 == length:
                nodes[node][side] = ("data", len(data))
                break
            if nodes[node][side] is None:
                nodes[node][side] = ("node", len(nodes))
                nodes.append([None, None])
            node = nodes[node][side][1]
        data += encode(value)
    tree = b""
    for node in nodes:
        for side in node:
            number = len(nodes)
            if side is not None:
                number = side[1] if side[0] == "node" else len(nodes) + 16 + side[1]
            tree += number.to_bytes(3, "big")
    about = {"node_count": Uint(len(nodes)), "record_size": Uint(24, 16), "ip_version": Uint(6, 16),
             "database_type": kind, "languages": ["en"], "binary_format_major_version": Uint(2, 16),
             "binary_format_minor_version": Uint(0, 16), "build_epoch": Uint(1_700_000_000, 64),
             "description": {"en": "made for a test"}}
    return tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + encode(about)
