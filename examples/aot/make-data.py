#!/usr/bin/env python3
"""make-data.py - writes the data of this example, which are shipped: face.pgm, edges.npy, blur.npy.

face.pgm is a detail of ../data/astronaut.png in grey. edges.npy has derivatives of a Gaussian in eight directions, s16[5,5,1,8];
blur.npy adds their magnitudes up and smooths them, s16[3,3,8,1]. Python alone, no packages.
"""
import math, os, struct, zlib

HERE = os.path.dirname(os.path.abspath(__file__))
SIZE, LEFT, TOP = 128, 160, 48


def read_png(path):
    """An 8-bit RGB picture as rows of bytes."""
    data = open(path, "rb").read()
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, color, _, _, interlace = struct.unpack(">IIBBBBB", body)
            assert (depth, color, interlace) == (8, 2, 0)
        elif kind == b"IDAT":
            packed += body
        at += length + 12
    raw, stride, rows = zlib.decompress(packed), 3 * width, []
    above = bytes(stride)
    for y in range(height):
        kind, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for x in range(stride):
            left, up, corner = (line[x - 3] if x >= 3 else 0), above[x], (above[x - 3] if x >= 3 else 0)
            if kind == 4:
                guess = left + up - corner
                add = min((left, up, corner), key=lambda c: abs(guess - c))
            else:
                add = (0, left, up, (left + up) // 2)[kind]
            line[x] = (line[x] + add) & 255
        rows.append(bytes(line))
        above = rows[-1]
    return rows


def write_npy(path, shape, values):
    header = "{'descr': '<i2', 'fortran_order': False, 'shape': %r, }" % (shape,)
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack("<%dh" % len(values), *values))


def edge(x, y, direction):
    angle = direction * math.pi / 4
    return round(32 * (x * math.cos(angle) + y * math.sin(angle)) * math.exp(-(x * x + y * y) / 2))


rows = read_png(os.path.join(HERE, "../data/astronaut.png"))
grey = bytes((299 * row[3 * x] + 587 * row[3 * x + 1] + 114 * row[3 * x + 2]) // 1000
             for row in rows[TOP:TOP + SIZE] for x in range(LEFT, LEFT + SIZE))
with open(os.path.join(HERE, "face.pgm"), "wb") as file:
    file.write(b"P5\n%d %d\n255\n" % (SIZE, SIZE) + grey)
write_npy(os.path.join(HERE, "edges.npy"), (5, 5, 1, 8), [edge(x, y, d) for y in range(-2, 3) for x in range(-2, 3) for d in range(8)])
write_npy(os.path.join(HERE, "blur.npy"), (3, 3, 8, 1), [(2 - abs(y)) * (2 - abs(x)) for y in range(-1, 2) for x in range(-1, 2) for d in range(8)])
