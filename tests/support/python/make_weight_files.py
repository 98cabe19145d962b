"""Writes tests/data/weights: small files as torch.save and safetensors write them, and hostile ones.

usage: .deps/venv/bin/python tests/support/python/make_weight_files.py     (from the project's root)

PyTorch is not needed: Python's own pickler writes what torch.save writes when functions, classes and
persistent ids are called as PyTorch's are. tests/unit/weights has the values again, by hand.
"""

import collections
import io
import json
import os
import pathlib
import pickle
import struct
import sys
import types
import zipfile

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[3]
FOLDER = ROOT / "tests/data/weights"
CORPUS = ROOT / "tests/fuzz/corpus/weights"
MAGIC = 0x1950A86A20F9469CFC6C


# --- what pickles of PyTorch call things

def module(name):
    made = types.ModuleType(name)
    sys.modules[name] = made
    return made


TORCH, UTILS = module("torch"), module("torch._utils")


def storage_class(name):
    made = type(name, (), {"__module__": "torch"})
    setattr(TORCH, name, made)
    return made


CLASSES = {kind: storage_class(kind + "Storage") for kind in ("Float", "Half", "BFloat16", "Double", "Long")}


def function(name):
    def never(*arguments):
        raise AssertionError

    never.__module__, never.__qualname__, never.__name__ = "torch._utils", name, name
    setattr(UTILS, name, never)
    return never


REBUILD, PARAMETER = function("_rebuild_tensor_v2"), function("_rebuild_parameter")


class Storage:
    def __init__(self, kind, content, count=None):
        sizes = {"Float": 4, "Half": 2, "BFloat16": 2, "Double": 8, "Long": 8}
        self.kind, self.content = kind, content
        self.count = len(content) // sizes[kind] if count is None else count


class Tensor:
    """A view of a storage; by default all of it in one row."""

    def __init__(self, storage, shape=None, strides=None, offset=0):
        self.storage, self.offset = storage, offset
        self.shape = (storage.count,) if shape is None else shape
        if strides is None:
            strides = [1] * len(self.shape)
            for i in range(len(self.shape) - 1, 0, -1):
                strides[i - 1] = strides[i] * self.shape[i]
        self.strides = tuple(strides)

    def __reduce_ex__(self, protocol):
        return REBUILD, (self.storage, self.offset, self.shape, self.strides, False, collections.OrderedDict())


class Parameter(Tensor):
    def __reduce_ex__(self, protocol):
        return PARAMETER, (Tensor(self.storage, self.shape, self.strides, self.offset), True,
                           collections.OrderedDict())


def floats(values, shape=None):
    return Tensor(Storage("Float", numpy.asarray(values, "<f4").tobytes()), shape)


class Pickler(pickle.Pickler):
    def __init__(self, out, legacy, protocol):
        super().__init__(out, protocol)
        self.legacy, self.keys, self.storages = legacy, {}, {}

    def persistent_id(self, thing):
        if not isinstance(thing, Storage):
            return None
        key = self.keys.setdefault(id(thing), str(len(self.keys)))
        self.storages[key] = thing
        found = ("storage", CLASSES[thing.kind], key, "cpu", thing.count)
        return found + (None,) if self.legacy else found


def pickled(thing, legacy=False, protocol=2):
    out = io.BytesIO()
    pickler = Pickler(out, legacy, protocol)
    pickler.dump(thing)
    return out.getvalue(), pickler.storages


# --- the two containers

class Stream(io.RawIOBase):
    """Cannot seek, so that the zip gets data descriptors."""

    def __init__(self):
        self.content = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.content += bytes(data)
        return len(data)


def zipped(thing, protocol=2, method=zipfile.ZIP_STORED, out=None, extra=()):
    data, storages = pickled(thing, protocol=protocol)
    out = io.BytesIO() if out is None else out
    entries = [("data.pkl", data), ("byteorder", b"little"), *((f"data/{k}", s.content) for k, s in storages.items()),
               ("version", b"3\n"), *extra]
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo("archive/" + name, (1980, 1, 1, 0, 0, 0)), content, method)
    return bytes(out.content) if isinstance(out, Stream) else out.getvalue()


def zip64(thing):
    limit, zipfile.ZIP64_LIMIT = zipfile.ZIP64_LIMIT, 4
    try:
        return zipped(thing)
    finally:
        zipfile.ZIP64_LIMIT = limit


def legacy(thing):
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    data, storages = pickled(thing, legacy=True)
    keys = sorted(storages)
    parts = [pickle.dumps(MAGIC, 2), pickle.dumps(1001, 2), pickle.dumps(system, 2), data, pickle.dumps(keys, 2)]
    for key in keys:
        parts += [struct.pack("<Q", storages[key].count), storages[key].content]
    return b"".join(parts)


def safetensors(tensors):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, (kind, shape, content) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


# --- files

def put(name, content, is_seed=True):
    assert len(content) < 10000, name
    (FOLDER / name).write_bytes(content)
    if is_seed:
        (CORPUS / name).write_bytes(content)


def plain():
    """The dict that most files hold, with the versions that torch hangs on it."""
    state = collections.OrderedDict()
    state["conv1.weight"] = floats(numpy.arange(24) / 2, (2, 3, 2, 2))
    state["bn1.running_mean"] = floats([-1, 2])
    state["bn1.num_batches_tracked"] = Tensor(Storage("Long", struct.pack("<q", 7)), ())
    state._metadata = collections.OrderedDict([("", {"version": 1})])
    return state


def good():
    put("plain.pth", zipped(plain()))
    put("legacy.pth", legacy(plain()))
    put("protocol4.pth", zipped(plain(), protocol=4), is_seed=False)
    put("zip64.pth", zip64(plain()))
    put("descriptors.pth", zipped(plain(), out=Stream()))
    nested = {"epoch": 3, "best": 0.5, "arch": "resnet18", "optimizer": {"lr": [0.1, None, True, (1, -2, 1 << 40)]},
              "state_dict": {"module.conv1.weight": Parameter(Storage("Float", numpy.asarray([1, 2], "<f4").tobytes()))}}
    put("nested.pth", zipped(nested))
    base = Storage("Float", numpy.arange(12, dtype="<f4").tobytes())
    put("strided.pth", zipped({"transposed": Tensor(base, (3, 4), (1, 3)), "row": Tensor(base, (4,), (1,), 4),
                               "tied_a": Tensor(base), "tied_b": Tensor(base)}))
    put("half.pth", zipped({
        "half": Tensor(Storage("Half", numpy.asarray([1, -2, 65504, 2.0**-24, 2.0**-14], "<f2").tobytes())),
        "bfloat": Tensor(Storage("BFloat16", (numpy.asarray([1, -2, 3.140625], "<f4").view("<u4") >> 16)
                                 .astype("<u2").tobytes())),
        "double": Tensor(Storage("Double", struct.pack("<d", 0.1)))}))
    put("plain.safetensors", safetensors({
        "conv1.weight": ("F32", [2, 3], numpy.arange(6, dtype="<f4").tobytes()),
        "half": ("F16", [2], numpy.asarray([0.5, -4], "<f2").tobytes()),
        "bn1.num_batches_tracked": ("I64", [], struct.pack("<q", 7))}))


class Runs:
    def __reduce__(self):
        return os.system, ("echo hacked",)


def hostile():
    put("os_system.pth", zipped({"conv1.weight": floats([1]), "x": Runs()}))
    put("os_system_legacy.pth", legacy({"conv1.weight": floats([1]), "x": Runs()}), is_seed=False)
    four = Storage("Float", bytes(16))
    for name, view in (("huge_shape", Tensor(four, (1 << 20, 1 << 20))), ("overflow", Tensor(four, (1 << 62, 1 << 62))),
                       ("negative_stride", Tensor(four, (2, 2), (-1, 1), 2)),
                       ("negative_offset", Tensor(four, (2,), (1,), -1)), ("negative_shape", Tensor(four, (-2, -2))),
                       ("outside", Tensor(four, (2, 2), (3, 1))), ("stride_overflow", Tensor(four, (2,), (1 << 62,), 3)),
                       ("expanded", Tensor(four, (5,), (0,))), ("fewer_strides", Tensor(four, (2, 2), (1,)))):
        put(f"{name}.pth", zipped({"t": view}), is_seed=False)
    put("huge_storage.pth", zipped({"t": Tensor(Storage("Float", bytes(16), 1 << 60), (4,))}))
    put("huge_storage_legacy.pth", legacy({"t": Tensor(Storage("Float", bytes(16), 1 << 60), (4,))}))
    bomb = []
    for _ in range(64):
        bomb = [bomb, bomb, bomb, bomb]
    circle = {}
    circle["state_dict"] = circle
    put("memo_bomb.pth", zipped({"bomb": bomb, "model": circle, "t": floats([1])}))
    put("compressed.pth", zipped(plain(), method=zipfile.ZIP_DEFLATED), is_seed=False)
    put("script.pth", zipped(plain(), extra=[("constants.pkl", b"\x80\x02).")]), is_seed=False)


if __name__ == "__main__":
    for folder in (FOLDER, CORPUS):
        folder.mkdir(parents=True, exist_ok=True)
    good()
    hostile()
