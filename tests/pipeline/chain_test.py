"""The whole chain on a tiny data set, by the command line, against witnesses that share no code with us.

setUpClass makes pictures, trains, prunes, retrains, exports and builds engines once; each test then looks at
one thing: our detections against onnxruntime, our records against the format's description, and so on.
Pruning, export and engines are asked of running services, so that their memory can be looked at.
"""

import json
import os
import pathlib
import socket
import struct
import subprocess
import tempfile
import unittest
import zlib

import numpy as np
import onnxruntime

import house
import specs

KEY = {"TRAINYARD_CHAIN_KEY": "a key of the chain test"}
K = ("-k", "env:TRAINYARD_CHAIN_KEY")
SIZE = 128
MEAN_BGR = np.array([103.939, 116.779, 123.68], np.float32)
# The lowest score written; scores this close to it may fall on either side of it.
THRESHOLD = 0.05
SCORE_TOLERANCE = 1e-3

AUGMENT = 'image_extension: ".png" dataset_config { image_path: "images" label_path: "labels" }\n'


# --- a PNG reader: 8-bit RGB, not interlaced (what the `augment` of this test writes)

def read_png(path):
    data = pathlib.Path(path).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", path
    at, packed, header = 8, b"", None
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    width, height, *form = header
    assert form == [8, 2, 0, 0, 0], (path, header)
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + 3 * width)
    image = np.zeros((height, width, 3), np.uint8)
    above = np.zeros(3 * width, np.int64)
    for y, row in enumerate(rows):
        above = unfilter(int(row[0]), row[1:].astype(np.int64), above)
        image[y] = above.reshape(width, 3)
    return image


def unfilter(kind, line, above):
    if kind == 0:
        return line
    if kind == 2:
        return (line + above) & 255
    if kind == 1:
        return (np.cumsum(line.reshape(-1, 3), axis=0) & 255).reshape(-1)
    out = [0, 0, 0] + line.tolist()
    up = [0, 0, 0] + above.tolist()
    for i in range(3, len(out)):
        left, top, corner = out[i - 3], up[i], up[i - 3]
        if kind == 3:
            guess = (left + top) // 2
        else:
            start = left + top - corner
            guess = min((left, top, corner), key=lambda one: abs(start - one))
        out[i] = (out[i] + guess) & 255
    return np.array(out[3:], np.int64)


# --- what the network sees, and what is found in what it says

def resized(image, size):
    """Bilinear on floats; the centres of pixels lie at halves."""
    def taps(source):
        place = (np.arange(size) + 0.5) * source / size - 0.5
        place = np.clip(place, 0, source - 1)
        near = np.minimum(np.floor(place).astype(int), source - 2)
        return near, (place - near).astype(np.float32)

    image = image.astype(np.float32)
    y, dy = taps(image.shape[0])
    x, dx = taps(image.shape[1])
    across = image[:, x] * (1 - dx)[:, None] + image[:, x + 1] * dx[:, None]
    return across[y] * (1 - dy)[:, None, None] + across[y + 1] * dy[:, None, None]


def network_input(image):
    return (resized(image, SIZE)[:, :, ::-1] - MEAN_BGR).transpose(2, 0, 1)[None].astype(np.float32)


def overlap(one, others):
    low = np.maximum(one[:2], others[:, :2])
    high = np.minimum(one[2:], others[:, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=1)
    area = np.prod(others[:, 2:] - others[:, :2], axis=1) + np.prod(one[2:] - one[:2])
    return both / np.maximum(area - both, 1e-12)


def suppressed(scores, boxes, threshold=0.01, iou=0.45, top_k=100):
    """Greedy suppression per class; rows of class, score, box."""
    found = []
    for k in range(1, scores.shape[1]):
        left = [i for i in np.argsort(-scores[:, k], kind="stable") if scores[i, k] > threshold]
        kept = []
        while left and len(kept) < top_k:
            best, *left = left
            kept.append(best)
            if left:
                near = overlap(boxes[best], boxes[left])
                left = [i for i, value in zip(left, near) if value <= iou]
        found += [(k, scores[i, k], *boxes[i]) for i in kept]
    found.sort(key=lambda one: -one[1])
    return np.array(found[:top_k]).reshape(-1, 6)


def read_detections(path):
    """A KITTI label file with scores as rows of class, score, box."""
    rows = []
    for line in pathlib.Path(path).read_text().splitlines():
        words = line.split()
        assert len(words) == 16, (path, line)
        rows.append([specs.CLASSES.index(words[0]) + 1, float(words[15]), *map(float, words[4:8])])
    return np.array(rows).reshape(-1, 6)


def read_labels(path):
    """A KITTI label file as (class, occluded, box)."""
    lines = [line.split() for line in pathlib.Path(path).read_text().splitlines()]
    return [(words[0], int(words[2]), np.array(words[4:8], float)) for words in lines]


# --- a tf.train.Example reader, from the wire format's description

def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data):
    """(number, value) of a message: bytes of length-delimited fields, integers of varints, 4 or 8 bytes."""
    at, found = 0, []
    while at < len(data):
        tag, at = varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = varint(data, at)
        else:
            if kind == 2:
                length, at = varint(data, at)
            else:
                length = {1: 8, 5: 4}[kind]
            value = data[at:at + length]
            assert len(value) == length, "cut short"
            at += length
        found.append((number, value))
    return found


def only(data, number):
    values = [value for key, value in fields(data) if key == number]
    assert len(values) == 1, (number, len(values))
    return values[0]


def feature_values(feature):
    """Feature is a oneof of BytesList 1, FloatList 2, Int64List 3; each has repeated values 1."""
    if not feature:
        return []
    [(kind, content)] = fields(feature)
    values = [value for number, value in fields(content) if number == 1]
    if kind == 1:
        return values
    if kind == 2:
        return np.frombuffer(b"".join(values), "<f4").tolist()
    numbers = []
    for value in values:
        if isinstance(value, int):
            numbers.append(value)
            continue
        at = 0
        while at < len(value):
            number, at = varint(value, at)
            numbers.append(number)
    return numbers


def read_example(payload):
    """Example {Features 1 {map<string, Feature> 1 {key 1, value 2}}}."""
    example = {}
    for number, entry in fields(only(payload, 1)):
        assert number == 1
        key = only(entry, 1).decode()
        assert key not in example, key
        example[key] = feature_values(only(entry, 2))
    return example


def metrics_of(done):
    """The metrics of the result in a command's --json lines."""
    for line in reversed(done.stdout.splitlines()):
        result = json.loads(line)
        if "metrics" in result and "outputs" in result:
            return {metric["name"]: metric.get("value", 0.0) for metric in result["metrics"]}
    raise AssertionError(f"no result in {done.stdout[-2000:]}")


class ChainTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = pathlib.Path(temporary.name)
        os.environ.update(KEY)
        cls.services = {name: house.Service(name, cls.folder / "services", cls.folder).start()
                        for name in ("prune", "export", "convert-engine")}
        for service in cls.services.values():
            cls.addClassCleanup(service.stop)
        cls.make_data()
        cls.make_models()
        cls.reports = {name: cls.evaluate(file) for name, file in {
            "tlt": cls.best, "etlt": "model.etlt", "fp32": "fp32.engine", "int8": "int8.engine",
            "retrained": cls.retrained}.items()}

    @classmethod
    def run_cli(cls, *arguments, **options):
        return house.cli(*arguments, cwd=cls.folder, **options)

    @classmethod
    def ask(cls, service, *arguments):
        """A command whose work a running service does; the metrics of its result."""
        return metrics_of(cls.run_cli(*arguments, *K, "--json", "--endpoint", cls.services[service].address))

    @classmethod
    def write(cls, name, text):
        (cls.folder / name).write_text(text)
        return name

    @classmethod
    def make_data(cls):
        # Few to train on; the validation set is the whole one that `sample-data` makes by default.
        cls.run_cli("sample-data", "parts", "--train", 64)
        # The validation set as PNG, which a test can decode exactly: an augmentation that changes nothing.
        named = cls.folder / "named"
        for part in ("images", "labels"):
            (named / part).mkdir(parents=True)
            for path in (cls.folder / "parts" / "val" / part).iterdir():
                suffix = ".png" if part == "images" else path.suffix
                (named / part / (path.stem + suffix)).write_bytes(path.read_bytes())
        cls.run_cli("augment", "-d", "named", "-a", cls.write("augment.txt", AUGMENT), "-o", "val")
        cls.images = sorted((cls.folder / "val" / "images").glob("*.png"))
        cls.write("convert.txt", specs.convert("parts/train", val_split=10))
        cls.run_cli("ssd", "dataset_convert", "-d", "convert.txt", "-o", "records/parts")

    @classmethod
    def make_models(cls):
        cls.write("train.txt", specs.train("records/parts-fold-001*", "val", epochs=16, batch=4, interval=16,
                                           max_rate=4e-3, augment=False))
        cls.write("retrain.txt", specs.train("records/parts-fold-001*", "val", epochs=2, batch=4, interval=2,
                                             max_rate=2e-3, augment=False, regularizer="type: NO_REG weight: 0"))
        cls.trained = metrics_of(cls.run_cli("ssd", "train", "-e", "train.txt", "-r", "trained", *K, "--json"))
        cls.best = "trained/weights/ssd_resnet10_best.tlt"
        cls.pruned = cls.ask("prune", "ssd", "prune", "-m", cls.best, "-o", "pruned.tlt", "--remove", 0.5)
        cls.run_cli("ssd", "train", "-e", "retrain.txt", "-m", "pruned.tlt", "-r", "retrained", *K)
        cls.retrained = "retrained/weights/ssd_resnet10_best.tlt"
        cls.ask("export", "ssd", "export", "-m", cls.best, "-e", "train.txt", "-o", "model.etlt", "--onnx",
                "model.onnx", "--data_type", "int8", "--cal_image_dir", "parts/train/images", "--batches", 4,
                "--batch_size", 8, "--cal_cache_file", "cal.bin")
        cls.built = {kind: cls.ask("convert-engine", "converter", "-d", f"3,{SIZE},{SIZE}", "-o", "NMS", "-t", kind,
                                   "-c", "cal.bin", "-e", f"{kind}.engine", "model.etlt")
                     for kind in ("fp32", "int8")}

    @classmethod
    def evaluate(cls, model, *flags):
        results = f"evaluated/{pathlib.Path(model).name}{''.join(flags)}"
        cls.run_cli("ssd", "evaluate", "-m", model, "-e", "train.txt", "-r", results, *K, *flags)
        return json.loads((cls.folder / results / "results.json").read_text())

    def infer(self, model, threshold):
        labels = self.folder / "labels" / f"{model}-{threshold}"
        if not labels.exists():
            self.run_cli("ssd", "inference", "-m", model, "-e", "train.txt", "-i", "val/images", "-l", labels,
                         "-t", threshold, *K)
        return {path.stem: read_detections(labels / f"{path.stem}.txt") for path in self.images}

    # --- onnxruntime

    def witness(self):
        """Detections by onnxruntime on the exported file, with the preprocessing and suppression above."""
        session = onnxruntime.InferenceSession(str(self.folder / "model.onnx"), providers=["CPUExecutionProvider"])
        found = {}
        for path in self.images:
            image = read_png(path)
            scores, boxes = session.run(["scores", "boxes"], {"Input": network_input(image)})
            rows = suppressed(scores[0], boxes[0])
            rows[:, 2:] *= [image.shape[1], image.shape[0]] * 2
            found[path.stem] = rows
        return found

    def assert_covers(self, ours, theirs, what):
        """Each of `ours` has its own twin in `theirs`."""
        for row in ours[ours[:, 1] > THRESHOLD + SCORE_TOLERANCE]:
            same = theirs[theirs[:, 0] == row[0]]
            near = overlap(row[2:], same[:, 2:])
            twins = same[near >= 0.99]
            self.assertTrue(len(twins), f"{what}: {row} has no twin; best IoU {near.max(initial=0)}")
            self.assertLess(np.abs(twins[:, 1] - row[1]).min(), SCORE_TOLERANCE, f"{what}: {row}, {twins}")

    def raw_heads(self, runtime, checkpoint, inputs):
        """Our outputs on all validation images, and the network that made them as ONNX."""
        out = self.folder / "heads" / f"{runtime}-{pathlib.Path(checkpoint).parts[0]}"
        subprocess.run([house.BUILD / "tests" / f"run-heads-{runtime}", checkpoint, KEY["TRAINYARD_CHAIN_KEY"],
                        inputs, out], cwd=self.folder, check=True)
        return [np.fromfile(path, "<f4") for path in sorted(out.glob("output_*.bin"))], out / "model.onnx"

    def test_raw_heads_agree_with_onnxruntime_on_the_whole_validation_set(self):
        self.assertEqual(len(self.images), 100)
        batch = np.concatenate([network_input(read_png(path)) for path in self.images])
        batch.tofile(self.folder / "inputs.bin")
        for checkpoint in (self.best, self.retrained):
            for runtime in ("executor", "openvino"):
                ours, model = self.raw_heads(runtime, checkpoint, "inputs.bin")
                session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
                theirs = session.run(None, {session.get_inputs()[0].name: batch})
                self.assertEqual(len(ours), len(theirs))
                for output, mine, other in zip(session.get_outputs(), ours, theirs):
                    with self.subTest(checkpoint=checkpoint, runtime=runtime, output=output.name):
                        self.assertGreater(other.std(), 0.1, "too flat to mean anything")
                        np.testing.assert_allclose(mine.reshape(other.shape), other, rtol=0, atol=1e-3)

    def test_onnxruntime_finds_what_executor_and_engine_find(self):
        witness = self.witness()
        for model in ("model.etlt", "fp32.engine"):
            found = self.infer(model, THRESHOLD)
            for name, rows in found.items():
                self.assert_covers(rows, witness[name], f"{model}, {name}: we alone")
                self.assert_covers(witness[name], rows, f"{model}, {name}: onnxruntime alone")
            self.assertGreater(sum(map(len, found.values())), 3 * len(self.images), "too few to mean anything")

    # --- records

    def test_every_record_is_an_example_that_equals_its_labels(self):
        shards = sorted((self.folder / "records").glob("parts-fold-*"))
        self.assertEqual(len(shards), 4)
        seen = set()
        for shard in shards:
            index = shard.with_name("idx-" + shard.name).read_text().splitlines()
            at = 0
            for place, payload in zip(index, house.read_records(shard), strict=True):
                self.assertEqual(place, f"{at} {len(payload) + 16}")
                at += len(payload) + 16
                seen.add(self.check_example(read_example(payload)))
            self.assertEqual(at, shard.stat().st_size)
        self.assertEqual(len(seen), 64)
        manifest = json.loads((self.folder / "records" / "parts_manifest.json").read_text())
        self.assertEqual(manifest["classes"], list(specs.CLASSES))

    def check_example(self, example):
        [frame] = example["frame/id"]
        name = frame.decode().removeprefix("images/")
        train = self.folder / "parts" / "train"
        self.assertEqual(example["frame/encoded"], [(train / "images" / f"{name}.jpg").read_bytes()])
        self.assertEqual((example["frame/width"], example["frame/height"]), ([320], [240]))
        labels = read_labels(train / "labels" / f"{name}.txt")
        self.assertEqual(example["target/object_class_id"], [specs.CLASSES.index(kind) + 1 for kind, *_ in labels])
        self.assertEqual(example["target/occlusion"], [occluded for _, occluded, _ in labels])
        sides = [example[f"target/coordinates_{side}"] for side in ("x1", "y1", "x2", "y2")]
        boxes = np.array(sides).T.reshape(-1, 4) * [320, 240, 320, 240]
        np.testing.assert_allclose(boxes, np.array([box for *_, box in labels]).reshape(-1, 4), atol=1e-4)
        return name

    # --- accuracy

    def test_every_form_of_the_model_has_the_same_accuracy(self):
        accuracy = {name: report["mAP"] for name, report in self.reports.items()}
        self.assertGreater(accuracy["tlt"], 0.05, "it learned nothing, so agreement says nothing")
        self.assertAlmostEqual(accuracy["tlt"], accuracy["etlt"], delta=1e-3)
        self.assertAlmostEqual(accuracy["tlt"], accuracy["fp32"], delta=1e-3)
        self.assertAlmostEqual(accuracy["tlt"], accuracy["int8"], delta=0.05)
        self.assertAlmostEqual(accuracy["tlt"], self.trained["mAP"], delta=1e-3)

    def test_the_int8_engine_computes_in_int8(self):
        self.assertGreaterEqual(self.built["int8"]["int8_mac_share"], 0.9)
        self.assertEqual(self.built["fp32"]["int8_mac_share"], 0)
        self.assertLess(self.built["int8"]["bytes"], 0.5 * self.built["fp32"]["bytes"])

    def test_pruning_removes_half_and_the_rest_still_learns(self):
        self.assertLessEqual(self.pruned["parameters"], 0.5 * self.trained["parameters"])
        self.assertEqual(self.pruned["parameters_before"], self.trained["parameters"])
        self.assertLess(self.pruned["macs"], self.trained["macs"])
        # As many objects were looked for and pictures looked at; two epochs promise no more.
        for count in ("objects", "images"):
            self.assertEqual(self.reports["retrained"][count], self.reports["tlt"][count])

    def test_average_precision_agrees_with_a_slow_reference(self):
        ours = self.evaluate("model.etlt", "--matching", "voc")
        found = self.infer("model.etlt", 0.01)
        truth = {path.stem: read_labels(self.folder / "val" / "labels" / f"{path.stem}.txt") for path in self.images}
        for k, kind in enumerate(specs.CLASSES, 1):
            with self.subTest(kind):
                self.assertAlmostEqual(ours[f"AP_{kind}"], self.slow_ap(found, truth, k, kind), delta=1e-6)

    def slow_ap(self, found, truth, k, kind):
        """PASCAL VOC's rule: a difficult (occluded) object neither counts nor harms."""
        objects = {name: [(box, occluded != 0) for one_kind, occluded, box in labels if one_kind == kind]
                   for name, labels in truth.items()}
        wanted = sum(not difficult for boxes in objects.values() for _, difficult in boxes)
        rows = [(row[1], name, row[2:]) for name, all_rows in found.items() for row in all_rows if row[0] == k]
        taken, hits = set(), []
        for _, name, box in sorted(rows, key=lambda one_row: -one_row[0]):
            boxes = objects[name]
            near = overlap(box, np.array([one_box for one_box, _ in boxes]).reshape(-1, 4))
            best = int(near.argmax()) if len(near) else -1
            if best < 0 or near[best] < 0.5:
                hits.append(0)
            elif not boxes[best][1]:
                hits.append(0 if (name, best) in taken else 1)
                taken.add((name, best))
        hits = np.array(hits)
        recall = np.cumsum(hits) / wanted
        precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
        # The area under the envelope: at each step of the recall, the best precision from there on.
        steps = np.diff(recall, prepend=0)
        return sum(step * precision[i:].max() for i, step in enumerate(steps) if step)

    # --- memory

    @unittest.skipIf(house.SANITIZED, "freed memory is held back to find its use")
    def test_services_need_little_memory(self):
        model_mib = (self.folder / self.best).stat().st_size / 2**20
        for name, service in self.services.items():
            with self.subTest(name):
                self.assertLess(house.peak_memory_mib(service.process.pid), 512 + 3 * model_mib)

    # --- the command line

    def test_spec_check_names_file_and_line(self):
        text = (self.folder / "train.txt").read_text()
        line = next(i for i, words in enumerate(text.splitlines(), 1) if "num_epochs" in words)
        self.write("wrong.txt", text.replace("num_epochs", "num_epoch").replace("top_k: 100", "top_k: x"))
        done = self.run_cli("spec", "check", "wrong.txt", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"wrong.txt:{line}", done.stderr)
        self.assertIn("num_epochs", done.stderr, "the nearest name")
        self.assertIn("top_k", done.stderr, "all errors at once")
        self.assertEqual(self.run_cli("spec", "check", "train.txt").returncode, 0)
        self.assertEqual(self.run_cli("spec", "check", "convert.txt").returncode, 0)

    def code(self, *arguments):
        done = self.run_cli(*arguments, check=False)
        return done.returncode, done.stderr

    def test_inspect_tells_machines_what_it_tells_people(self):
        lines = self.run_cli("inspect", self.best, *K).stdout
        told = json.loads(self.run_cli("inspect", self.best, *K, "--json").stdout)
        self.assertEqual((told["file"], told["kind"]), (str(self.best), "checkpoint"))
        self.assertIn(f"{told['record']['network']} {told['record']['arch']}, "
                      f"{len(told['record']['classes'])} classes", lines)
        self.assertIn(f"{told['parameters']} parameters", lines)
        self.assertIn(f"{int(told['macs']) / 1e9:.3f} GMAC", lines)

    def test_exit_codes(self):
        with self.subTest("0: success"):
            self.assertEqual(self.code("inspect", self.best, *K)[0], 0)
        with self.subTest("1: the work failed"):
            code, text = self.code("inspect", self.best, "-k", "another key")
            self.assertEqual(code, 1, text)
            self.assertNotIn("another key", text)
        with self.subTest("2: usage"):
            self.assertEqual(self.code("ssd", "train", "--no-such-flag")[0], 2)
            self.assertEqual(self.code("ssd", "train", "-e", "nowhere.txt", "-r", "r", *K)[0], 2)
        with self.subTest("64 + 3: INVALID_ARGUMENT of the call"):
            code, text = self.code("ssd", "train", "-e", "train.txt", "-r", "never", "--set",
                                   "training_config.num_epochs=0", *K)
            self.assertEqual(code, 67, text)
            self.assertFalse((self.folder / "never").exists())
        with self.subTest("64 + 5: NOT_FOUND"):
            code, text = self.code("ssd", "evaluate", "-m", "nowhere.tlt", "-e", "train.txt", *K)
            self.assertEqual(code, 69, text)
            self.assertIn("nowhere.tlt", text)
        with self.subTest("64 + 14: UNAVAILABLE"), socket.socket() as silent:
            # Bound and not listening: whoever connects is refused.
            silent.bind(("127.0.0.1", 0))
            code, text = self.code("ssd", "evaluate", "-m", self.best, "-e", "train.txt", *K, "--endpoint",
                                   f"127.0.0.1:{silent.getsockname()[1]}")
            self.assertEqual(code, 78, text)


if __name__ == "__main__":
    unittest.main()
