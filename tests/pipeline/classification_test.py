"""Image classification from folders of classes to an INT8 engine, by the command line.

setUpClass makes pictures, trains, prunes, retrains, exports and builds engines once; the tests hold what came of
it against onnxruntime, numpy and TAO's file formats.
"""

import csv
import json
import os
import pathlib
import shutil
import struct
import tempfile
import unittest
import zlib

import numpy as np
import onnxruntime

import house

KEY = {"TRAINYARD_CLASSES_KEY": "a key of the classification test"}
K = ("-k", "env:TRAINYARD_CLASSES_KEY")
SIZE = 64
MEAN_BGR = np.array([103.939, 116.779, 123.68], np.float32)

SPEC = f"""
eval_config {{ top_k: 2 batch_size: 16 eval_dataset_path: "parts/test" }}
model_config {{ arch: "resnet" n_layers: 10 input_image_size: "3,{SIZE},{SIZE}" use_batch_norm: true
               all_projections: true }}
train_config {{
  train_dataset_path: "parts/train"
  val_dataset_path: "parts/val"
  batch_size_per_gpu: 16
  n_epochs: EPOCHS
  optimizer {{ sgd {{ momentum: 0.9 nesterov: true }} }}
  reg_config {{ type: "L2" scope: "Conv2D,Dense" weight_decay: 1e-5 }}
  lr_config {{ soft_anneal {{ learning_rate: RATE soft_start: 0.1 annealing_divider: 10
                            annealing_points: 0.6 annealing_points: 0.85 }} }}
  label_smoothing: 0.05
}}
"""


def write_png(path, pixels):
    """u8 RGB [height, width, 3], without filters."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) +
                     chunk(b"IEND", b""))


def pattern(kind, random):
    """A picture of one of the classes in any two colours, noisy: stripes either way, a checkerboard, a ring."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    period = random.integers(8, 17)
    shift = random.integers(0, period, 2)
    rows, columns = ((y + shift[0]) // (period // 2)) % 2, ((x + shift[1]) // (period // 2)) % 2
    radius = np.hypot(y - random.integers(24, 40), x - random.integers(24, 40))
    mask = {"checker": rows ^ columns, "columns": columns, "ring": (abs(radius - random.integers(12, 22)) < 5),
            "rows": rows}[kind].astype(bool)
    colours = random.integers(0, 256, (2, 3))
    while abs(colours[0].sum() - colours[1].sum()) < 150:
        colours = random.integers(0, 256, (2, 3))
    picture = np.where(mask[:, :, None], colours[0], colours[1]) + random.normal(0, 12, (SIZE, SIZE, 3))
    return np.clip(picture, 0, 255).astype(np.uint8)


def metrics_of(done):
    """The metrics of the result in a command's --json lines: those of no class by their names."""
    for line in reversed(done.stdout.splitlines()):
        result = json.loads(line)
        if "metrics" in result and "outputs" in result:
            return {metric["name"]: metric.get("value", 0.0) for metric in result["metrics"]
                    if not metric.get("className")}
    raise AssertionError(f"no result in {done.stdout[-2000:]}")


class ClassificationTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = pathlib.Path(temporary.name)
        os.environ.update(KEY)
        cls.classes = ["checker", "columns", "ring", "rows"]
        random = np.random.default_rng(3)
        for part, count in (("train", 240), ("val", 60), ("test", 100)):
            for i in range(count):
                kind = cls.classes[i % len(cls.classes)]
                write_png(cls.folder / "parts" / part / kind / f"{i:03d}.png", pattern(kind, random))
        cls.make_drawn()
        cls.write("train.txt", SPEC.replace("EPOCHS", "8").replace("RATE", "0.02"))
        cls.write("retrain.txt", SPEC.replace("EPOCHS", "3").replace("RATE", "0.005"))
        cls.trained = cls.ask("train", "-e", "train.txt", "-r", "trained")
        cls.best = "trained/weights/resnet_best.tlt"
        cls.pruned = cls.ask("prune", "-m", cls.best, "-o", "pruned.tlt", "--remove", 0.5)
        cls.ask("train", "-e", "retrain.txt", "-m", "pruned.tlt", "-r", "retrained")
        cls.retrained = "retrained/weights/resnet_best.tlt"
        cls.ask("export", "-m", cls.retrained, "-e", "train.txt", "-o", "model.etlt", "--onnx", "model.onnx",
                "--data_type", "int8", "--cal_image_dir", f"parts/train/{cls.classes[0]}", "--batches", 4,
                "--batch_size", 8, "--cal_cache_file", "cal.bin", "--gen_ds_config", "-cm", "trained/classmap.json")
        cls.built = {}
        for kind in ("fp32", "int8"):
            cls.built[kind] = metrics_of(cls.run_cli(
                "converter", "-d", f"3,{SIZE},{SIZE}", "-o", "predictions/Softmax", "-t", kind, "-c", "cal.bin", "-e",
                f"{kind}.engine", "model.etlt", *K, "--json"))
        cls.reports = {name: cls.evaluate(file) for name, file in {
            "tlt": cls.best, "retrained": cls.retrained, "etlt": "model.etlt", "fp32": "fp32.engine",
            "int8": "int8.engine"}.items()}

    @classmethod
    def make_drawn(cls):
        """Pictures whose pixels this test knows, half of them a folder deeper."""
        random = np.random.default_rng(7)
        cls.drawn = {}
        for i in range(40):
            kind = cls.classes[i % len(cls.classes)]
            pixels = pattern(kind, random)
            path = f"drawn/{kind}/{'deep/' * (i % 2)}{i:02d}.png"
            write_png(cls.folder / path, pixels)
            cls.drawn[path] = pixels

    @classmethod
    def run_cli(cls, *arguments, **options):
        return house.cli(*arguments, cwd=cls.folder, **options)

    @classmethod
    def ask(cls, *arguments):
        return metrics_of(cls.run_cli("classification", *arguments, *K, "--json"))

    @classmethod
    def write(cls, name, text):
        (cls.folder / name).write_text(text)
        return name

    @classmethod
    def evaluate(cls, model):
        results = f"evaluated/{pathlib.Path(model).name}"
        cls.run_cli("classification", "evaluate", "-m", model, "-e", "train.txt", "-r", results, *K)
        return json.loads((cls.folder / results / "results.json").read_text())

    def test_files_of_a_training_are_taos(self):
        trained = self.folder / "trained"
        weights = {path.name for path in (trained / "weights").iterdir()}
        self.assertEqual(weights, {f"resnet_{n:03d}.tlt" for n in range(1, 9)} | {"resnet_best.tlt"})
        self.assertEqual(json.loads((trained / "classmap.json").read_text()),
                         {name: i for i, name in enumerate(self.classes)})
        rows = list(csv.DictReader((trained / "training.csv").read_text().splitlines()))
        self.assertEqual([int(row["epoch"]) for row in rows], list(range(1, 9)))
        self.assertLess(float(rows[-1]["loss"]), float(rows[0]["loss"]))
        self.assertGreater(float(rows[-1]["accuracy"]), 0.7, "it learned nothing, so agreement says nothing")
        self.assertEqual((self.folder / "labels.txt").read_text(), ";".join(self.classes) + "\n")

    def test_every_form_of_the_model_has_the_same_accuracy(self):
        accuracy = {name: report["accuracy"] for name, report in self.reports.items()}
        # Kernels differ from one processor to the next; chance is 0.25, 0.94 was reached.
        self.assertGreater(accuracy["tlt"], 0.7)
        self.assertAlmostEqual(accuracy["retrained"], accuracy["etlt"], delta=1e-9)
        self.assertAlmostEqual(accuracy["retrained"], accuracy["fp32"], delta=0.021)
        self.assertAlmostEqual(accuracy["fp32"], accuracy["int8"], delta=0.06)

    def test_pruning_removes_half_and_int8_is_int8(self):
        self.assertLessEqual(self.pruned["parameters"], 0.5 * self.trained["parameters"])
        self.assertGreaterEqual(self.built["int8"]["int8_mac_share"], 0.9)

    def witness(self):
        """Probabilities by onnxruntime on the exported file."""
        session = onnxruntime.InferenceSession(str(self.folder / "model.onnx"), providers=["CPUExecutionProvider"])
        found = {}
        for path, pixels in self.drawn.items():
            bgr = pixels[:, :, ::-1].astype(np.float32) - MEAN_BGR
            [row] = session.run(["predictions/Softmax"], {"input_1": bgr.transpose(2, 0, 1)[None]})[0]
            found[path] = row
        return found

    def test_inference_writes_what_onnxruntime_computes(self):
        witness = self.witness()
        for model in ("model.etlt", "fp32.engine"):
            out = f"inferred/{model}"
            self.run_cli("classification", "inference", "-m", model, "-e", "train.txt", "-d", "drawn", "-r", out,
                         "-b", 4, "-cm", "trained/classmap.json", *K)
            rows = list(csv.reader((self.folder / out / "labels" / "result.csv").read_text().splitlines()))
            self.assertEqual(len(rows), len(witness))
            for path, label, confidence in rows:
                row = witness[str(pathlib.Path(path).relative_to(self.folder)) if path.startswith("/") else path]
                self.assertAlmostEqual(float(confidence), row.max(), delta=1e-4)
                self.assertAlmostEqual(float(confidence), row[self.classes.index(label)], delta=1e-4)

    def test_the_report_is_what_counting_gives(self):
        witness = self.witness()
        truth = np.array([self.classes.index(pathlib.Path(path).parts[1]) for path in witness])
        scores = np.array(list(witness.values()))
        guess = scores.argmax(1)
        self.assertGreater(len(set(guess)), 1, "too flat to mean anything")
        self.run_cli("classification", "evaluate", "-m", "model.etlt", "-e", "train.txt", "-r", "evaluated/drawn", *K,
                     "--set", "eval_config.eval_dataset_path=drawn")
        report = json.loads((self.folder / "evaluated/drawn/results.json").read_text())
        matrix = np.zeros((len(self.classes),) * 2, int)
        np.add.at(matrix, (truth, guess), 1)
        self.assertEqual(report["confusion_matrix"], matrix.tolist())
        self.assertAlmostEqual(report["accuracy"], (truth == guess).mean(), delta=1e-9)
        second = np.argsort(-scores, axis=1, kind="stable")[:, :2]
        self.assertAlmostEqual(report["top_k_accuracy"], (second == truth[:, None]).any(1).mean(), delta=1e-9)
        for i, name in enumerate(self.classes):
            ours = report["per_class"][name]
            self.assertAlmostEqual(ours["recall"], matrix[i, i] / matrix[i].sum(), delta=1e-9)
            self.assertEqual(ours["support"], matrix[i].sum())

    def test_a_resumed_training_ends_with_the_same_bytes(self):
        # As it lay there when the sixth epoch was done.
        weights = self.folder / "again" / "weights"
        weights.mkdir(parents=True)
        for n in range(1, 7):
            shutil.copy(self.folder / "trained/weights" / f"resnet_{n:03d}.tlt", weights)
        log = csv.DictReader((self.folder / "trained/training.csv").read_text().splitlines())
        accuracy = [float(row["accuracy"]) for row in log][:6]
        best = accuracy.index(max(accuracy)) + 1
        shutil.copy(self.folder / "trained/weights" / f"resnet_{best:03d}.tlt", weights / "resnet_best.tlt")
        self.ask("train", "-e", "train.txt", "-r", "again", "--resume")
        for name in ("resnet_007.tlt", "resnet_008.tlt", "resnet_best.tlt"):
            self.assertEqual((weights / name).read_bytes(), (self.folder / "trained/weights" / name).read_bytes(), name)

    def test_what_is_wrong_is_said_by_name(self):
        def errors(*arguments):
            done = self.run_cli("classification", *arguments, *K, check=False)
            self.assertNotEqual(done.returncode, 0, arguments)
            return done.stderr
        self.assertIn("dataset_convert", errors("dataset_convert", "-d", "train.txt", "-o", "x"))
        self.assertIn("matching", errors("evaluate", "-m", self.best, "-e", "train.txt", "--matching", "voc"))
        self.assertIn("train_dataset_path", errors("train", "-e", "train.txt", "-r", "no", "--set",
                                                   "train_config.train_dataset_path=nowhere"))
        self.assertIn("predictions/Softmax", self.run_cli("converter", "-o", "NMS", "-e", "x.engine", "model.etlt", *K,
                                                          check=False).stderr)

    def test_evaluate_takes_the_specs_own_model(self):
        self.run_cli("classification", "evaluate", "-e", "train.txt", "-r", "own", *K, "--set",
                     f"eval_config.model_path={self.best}")
        own = json.loads((self.folder / "own/results.json").read_text())
        self.assertEqual(own["confusion_matrix"], self.reports["tlt"]["confusion_matrix"])


if __name__ == "__main__":
    unittest.main()
