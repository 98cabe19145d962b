"""Writes the seeds of tests/fuzz/corpus: small valid inputs of every reader, by other people's writers.

usage: .deps/venv/bin/python tests/fuzz/make_seeds.py     (from the project's root)
"""

import pathlib
import struct
import zlib

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parent
CORPUS = ROOT / "corpus"


def put(target: str, name: str, data: bytes | str) -> None:
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)


# --- pictures

def png(width: int, height: int, depth: int, colour: int, rows: bytes, *more: tuple[bytes, bytes],
        interlace: int = 0) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunk(*c) for c in more)
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def pictures() -> None:
    put("image", "rgb.png", png(3, 2, 8, 2, (b"\0" + bytes(range(9))) * 2))
    put("image", "grey16.png", png(2, 2, 16, 0, (b"\1" + bytes(4)) * 2))
    put("image", "palette.png", png(8, 1, 1, 3, b"\0\xaa", (b"PLTE", bytes(6)), (b"tRNS", b"\x10")))
    put("image", "alpha_text.png", png(1, 1, 8, 6, b"\0\1\2\3\4", (b"tEXt", b"a\0b"),
                                       (b"eXIf", b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0")))
    put("image", "interlaced.png", png(1, 1, 8, 2, b"\0\1\2\3", interlace=1))
    # A grey baseline JPEG of 8 x 8: one quantization table, one Huffman table of each kind.
    tables = (b"\xff\xdb\0\x43\0" + b"\1" * 64
              + b"\xff\xc4\0\x14\0" + b"\1" + b"\0" * 15 + b"\0"
              + b"\xff\xc4\0\x14\x10" + b"\1" + b"\0" * 15 + b"\0")
    exif = (b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0")
    frame = b"\xff\xc0\0\x0b\x08\0\x08\0\x08\1\1\x11\0"
    scan = b"\xff\xda\0\x08\1\1\0\0\x3f\0\x3f"
    put("image", "grey.jpg", b"\xff\xd8" + tables + frame + scan + b"\xff\xd9")
    put("image", "turned.jpg", b"\xff\xd8" + exif + tables + frame + scan + b"\xff\xd9")
    put("image", "progressive.jpg", b"\xff\xd8" + tables + frame.replace(b"\xc0", b"\xc2", 1)
        + b"\xff\xda\0\x08\1\1\0\0\0\0\x3f" + b"\xff\xd9")


# --- text

def texts() -> None:
    for spec in sorted((ROOT.parent.parent / "examples").rglob("*.txt")):
        text = spec.read_text()
        if "_config" in text and len(text) < 6000:
            put("spec_text", spec.stem + ".txt", text)
    put("spec_text", "forms.txt", "random_seed: -0x1f\nssd_config <scales: '[1, 2]' 'x'; alpha: 1.5f,"
        " freeze_blocks: [0, 1]>\naugmentation_config { image_mean { key: \"b\" value: 1e1 } } # end\n")
    put("spec_text", "curly.txt", "ssd_config { arch: “resnet” }\r\n\u00a0random_seed: 1\r\n")
    put("spec_text", "augment.txt", "dataset_config { image_path: 'i' label_path: 'l' }\n"
        "spatial_config { rotation_config { angle: 5 units: 'degrees' } }\nblur_config { size: 3 std: 1 }\n")
    put("spec_text", "convert.txt", "kitti_config { root_directory_path: 'd' image_dir_name: 'i' "
        "label_dir_name: 'l' val_split: 14 }\ntarget_class_mapping { key: 'car' value: 'car' }\n")
    put("overrides", "paths.txt", "random_seed = 3\nssd_config.freeze_blocks[1] = 2\n"
        "augmentation_config.image_mean[\"b\"] = 4\ndataset_config.data_sources[0].tfrecords_path = x\n"
        "ssd_config.freeze_blocks = [1, 2]\ntraining_config { }\nnms_config = { top_k: 3 }\n")
    put("kitti", "plain.txt", "car 0.00 0 0.00 20.00 30.00 70.00 90.00 0 0 0 0 0 0 0\n"
        "DontCare -1 -1 -10 1 2 3 4 -1 -1 -1 -1000 -1000 -1000 -10 0.5\r\n")
    put("kitti", "odd.txt", "\ufeffcar,0,0\n\"a b\" 0 0 0 1e1 nan 70 90 0 0 0 0 0 0 0\r"
        "0 0.5 0.5 0.1 0.1\n\n<annotation>\n")
    put("coco", "two_images.json", '{"info": {"year": 2017}, "images": [{"id": 1, "file_name": "a/b.jpg", '
        '"width": 8, "height": 6}, {"id": 2, "file_name": "c.png"}], "annotations": [{"id": 1, "image_id": 1, '
        '"category_id": 3, "bbox": [1, 2.5, 3e0, 2], "iscrowd": 1, "segmentation": [[1, 2, 3, 4]]}, '
        '{"id": 2, "image_id": 2, "category_id": 3, "bbox": [0, 0, 4, 4]}], "categories": '
        '[{"id": 3, "name": "traffic light"}]}\n')
    put("coco", "odd.json", '\ufeff{"categories": [{"id": 1, "name": "\\u00e9\\ud83d\\ude00"}], "annotations": [{}, '
        '{"image_id": 9007199254740993, "category_id": -1, "bbox": [1, "2", null, true, []]}], "images": '
        '[{"id": 1, "file_name": "../x"}, {"id": 1.5}], "images": []}')
    put("voc", "two_objects.xml", '<?xml version="1.0" encoding="utf-8"?><annotation><filename>a.jpg</filename>'
        "<size><width>640</width><height>480</height></size><object><name>dog &amp; cat</name>"
        "<truncated>1</truncated><difficult>1</difficult><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>640</xmax>"
        "<ymax>480</ymax></bndbox></object><object><name><![CDATA[x]]></name></object></annotation>\n")
    put("voc", "entities.xml", '<!DOCTYPE a [<!ENTITY a "b"><!ENTITY c SYSTEM "file:///d">]>'
        "<annotation><object><name>&a;&c;&#65;</name><bndbox/></object></annotation>")
    put("yolo", "lines.txt", "0 0.5 0.5 0.25 0.25\r\n1 0.1 0.2 0.3 0.4 0.9\n2 0.1 0.1 0.2 0.1 0.2 0.2\n7 1 1 nan 0\n")
    put("yolo", "data.yaml", "path: ../d\ntrain: images/train\nnc: 2\nnames:\n  0: car\n  1: traffic light\n")
    put("yolo", "anchors.yaml", "names: &a [x, *a]\nnc: 2\n")
    put("pipeline", "two_stages.yaml", "name: p\nkey: env:KEY\nparams: {e: 1}\nstages:\n"
        "  - {name: c, kind: convert, spec: c.txt, inputs: {root: d}, outputs: {dataset: t/x}}\n"
        "  - name: t\n    kind: train\n    spec: s.txt\n    set: [\"training_config.num_epochs=${param.e}\"]\n"
        "    inputs: {dataset: \"${stage.c.outputs.dataset}\"}\n    gates: {min: {mAP: 0.5}, on_fail: stop}\n")
    put("pipeline", "anchors.yaml", "a: &a [1, *a]\n? {x: y}\n: |\n  text\n--- \n!!str x\n")
    put("calibration_table", "two.txt", "trainyard-calibration 1\nweights " + "0" * 64 +
        "\nimages 3\nrange 0 2.5 a\nrange -0.125 1e-3 b c\n")
    put("calibration_table", "tensorrt.txt", "TRT-8517-EntropyCalibration2\nInput: 3f8a1b2c\n")


# --- records

def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def record(payload: bytes) -> bytes:
    def masked(data: bytes) -> bytes:
        crc = crc32c(data)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(payload))
    return length + masked(length) + payload + masked(payload)


def records() -> None:
    def feature(name: str, kind: int, data: bytes) -> bytes:
        return field(1, field(1, name.encode()) + field(2, field(kind, data)))

    def floats(*values: float) -> bytes:
        return field(1, struct.pack(f"<{len(values)}f", *values))

    example = field(1, b"".join([
        feature("frame/id", 1, field(1, b"images/1")),
        feature("frame/height", 3, field(1, varint(8))),
        feature("frame/width", 3, field(1, varint(8))),
        feature("frame/encoded", 1, field(1, b"\x89PNG")),
        feature("target/object_class_id", 2, floats(1)),
        feature("target/coordinates_x1", 2, floats(0.1)),
        feature("target/coordinates_y1", 2, floats(0.1)),
        feature("target/coordinates_x2", 2, floats(0.5)),
        feature("target/coordinates_y2", 2, floats(0.5)),
    ]))
    put("tfrecord", "one.tfrecord", record(example))
    put("tfrecord", "two_and_tail.tfrecord", record(b"") + record(example) + b"\5\0")
    put("tfrecord", "example.bin", example)

    def texts_of(*values: bytes) -> bytes:
        return b"".join(field(1, value) for value in values)

    corners = ("xmin", "ymin", "xmax", "ymax")
    detection = field(1, b"".join([
        feature("image/filename", 1, texts_of(b"a/b.jpg")),
        feature("image/source_id", 1, texts_of(b"7")),
        feature("image/height", 3, field(1, varint(8))),
        feature("image/width", 3, field(1, varint(8))),
        feature("image/encoded", 1, texts_of(b"\xff\xd8")),
        *(feature("image/object/bbox/" + c, 2, floats(0.1 + i // 2 * 0.4, 0.2 + i // 2 * 0.4))
          for i, c in enumerate(corners)),
        feature("image/object/class/text", 1, texts_of(b"car", b"traffic light")),
        feature("image/object/class/label", 3, field(1, varint(3)) + field(1, varint(10))),
        feature("image/object/difficult", 3, field(1, varint(0) + varint(1))),
        feature("image/object/is_crowd", 3, field(1, varint(1) + varint(0))),
        feature("image/object/truncated", 3, field(1, varint(0) + varint(0))),
    ]))
    numbers = field(1, b"".join([
        feature("image/encoded", 1, texts_of(b"\xff\xd8")),
        *(feature("image/object/bbox/" + c, 2, floats(0.5)) for c in corners),
        feature("image/object/class/label", 3, field(1, varint(3))),
    ]))
    detectnet = field(1, b"".join([
        feature("frame/id", 1, texts_of(b"training/image_2/000012")),
        feature("frame/height", 3, field(1, varint(375))),
        feature("frame/width", 3, field(1, varint(1242))),
        feature("target/object_class", 1, texts_of(b"car", b"cyclist")),
        feature("target/truncation", 2, floats(0, 0.5)),
        feature("target/occlusion", 3, field(1, varint(0) + varint(2))),
        *(feature("target/coordinates_" + c, 2, floats(10 + i, 20 + i))
          for i, c in enumerate(("x1", "y1", "x2", "y2"))),
    ]))
    put("tfrecord", "object_detection.tfrecord", record(detection) + record(numbers))
    put("tfrecord", "object_detection.bin", detection)
    put("tfrecord", "detectnet.tfrecord", record(detectnet))
    put("tfrecord", "mixed.tfrecord", record(example) + record(detection) + record(detectnet))
    put("tfrecord", "mixed.bin", example + detection)


# --- models

def model(nodes, inputs, outputs, weights, opset=17) -> bytes:
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs],
        [numpy_helper.from_array(a, n) for n, a in weights.items()])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return made.SerializeToString()


def models() -> None:
    random = numpy.random.default_rng(1)

    def weight(*shape):
        return random.standard_normal(shape).astype(numpy.float32)

    node = helper.make_node
    x = {"x": ["N", 3, 8, 8]}
    put("onnx", "conv_bn.onnx", model(
        [node("Conv", ["x", "w"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1]),
         node("BatchNormalization", ["a", "s", "b", "m", "v"], ["c"]), node("Relu", ["c"], ["d"]),
         node("Conv", ["d", "w2", "b2"], ["y"])], x, ["y"],
        {"w": weight(4, 3, 3, 3), "s": weight(4), "b": weight(4), "m": weight(4),
         "v": numpy.abs(weight(4)), "w2": weight(2, 4, 1, 1), "b2": weight(2)}))
    put("onnx", "branches.onnx", model(
        [node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]), node("Conv", ["x", "u"], ["b"]),
         node("Concat", ["a", "b"], ["c"], axis=1), node("Split", ["c"], ["d", "e"], axis=1),
         node("Add", ["d", "e"], ["f"]), node("Conv", ["f", "k"], ["y"], group=4)], x, ["y"],
        {"w": weight(4, 3, 3, 3), "u": weight(4, 3, 1, 1), "k": weight(4, 1, 3, 3)}))
    put("onnx", "up.onnx", model(
        [node("ConvTranspose", ["x", "w"], ["a"], strides=[2, 2], kernel_shape=[2, 2]),
         node("Resize", ["a", "", "scales"], ["b"], mode="nearest"),
         node("GlobalAveragePool", ["b"], ["c"]), node("Flatten", ["c"], ["d"]),
         node("Gemm", ["d", "g"], ["y"], transB=1)], x, ["y"],
        {"w": weight(3, 4, 2, 2), "scales": numpy.array([1, 1, 2, 2], numpy.float32),
         "g": weight(5, 4)}))
    shape = helper.make_tensor("value", TensorProto.INT64, [2], [0, -1])
    put("onnx", "view.onnx", model(
        [node("Conv", ["x", "w"], ["a"]), node("Constant", [], ["s"], value=shape),
         node("Reshape", ["a", "s"], ["b"]), node("MatMul", ["b", "m"], ["y"])], x, ["y"],
        {"w": weight(4, 3, 8, 8), "m": weight(4, 2)}, opset=13))


if __name__ == "__main__":
    pictures()
    texts()
    records()
    models()
