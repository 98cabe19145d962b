"""Files that older programs wrote (tests/data/v1), read by today's."""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import house

OLD = pathlib.Path(__file__).resolve().parents[1] / "data" / "v1"
KEY = {"TRAINYARD_OLD_KEY": "a key of the old files"}
K = ("-k", "env:TRAINYARD_OLD_KEY")
TRAINYARD = house.BUILD / "bin" / "trainyard"


class OldFilesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.folder.name)
        for file in OLD.iterdir():
            shutil.copy(file, cls.root)
        cls.call("sample-data", "parts", "--train", "4", "--val", "8")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def call(cls, *words, code=0):
        """The last object that the command prints, or its text."""
        done = subprocess.run([TRAINYARD, *words], cwd=cls.root, env=os.environ | KEY, text=True,
                              capture_output=True)
        if done.returncode != code:
            raise AssertionError(f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        last = done.stdout.splitlines()[-1] if done.stdout else ""
        return json.loads(last) if last.startswith("{") else done.stdout

    @staticmethod
    def metric(result, name):
        return next(one["value"] for one in result["metrics"] if one["name"] == name)

    def test_a_checkpoint_is_judged_and_exported_to_the_same_bytes(self):
        judged = self.call("ssd", "evaluate", "-m", "model.tlt", "-e", "spec.txt", *K, "--json")
        self.assertGreater(self.metric(judged, "mAP"), 0)
        self.call("ssd", "export", "-m", "model.tlt", "-o", "again.etlt", *K, "--json")
        digests = {hashlib.sha256((self.root / name).read_bytes()).hexdigest() for name in ("again.etlt", "model.etlt")}
        self.assertEqual(len(digests), 1)

    def test_a_training_is_resumed_where_it_stood(self):
        self.call("ssd", "train", "-e", "spec.txt", "-r", "resumed", *K, "--json",
                  "--set", "training_config.num_epochs=81",
                  "--set", f"training_config.resume_model_path={self.root}/model.tlt")
        weights = sorted(path.name for path in (self.root / "resumed" / "weights").iterdir())
        self.assertIn("ssd_resnet10_epoch_081.tlt", weights)
        self.assertNotIn("ssd_resnet10_epoch_001.tlt", weights)
        rows = (self.root / "resumed" / "ssd_training_log_resnet10.csv").read_text().splitlines()
        self.assertEqual(len(rows), 2)
        self.assertTrue(rows[1].startswith("81,"), rows[1])

    def test_an_export_is_built(self):
        built = self.call("converter", *K, "-d", "3,128,128", "-o", "NMS", "-t", "fp32", "-e", "new.engine",
                          "model.etlt", "--json")
        self.assertGreater(self.metric(built, "ms_per_image"), 0)

    def test_an_engine_tells_what_it_is_and_runs_where_it_was_built(self):
        told = self.call("inspect", "model.engine", "--json")
        self.assertEqual(told["record"]["classes"], ["bolt", "nut", "washer"])
        done = subprocess.run([TRAINYARD, "ssd", "evaluate", "-m", "model.engine", "-e", "spec.txt", "--json"],
                              cwd=self.root, text=True, capture_output=True)
        if done.returncode:  # On another processor.
            self.assertIn("was built", done.stdout)
        else:
            self.assertGreater(self.metric(json.loads(done.stdout.splitlines()[-1]), "mAP"), 0)

    def test_operations_and_runs_of_older_services_are_told(self):
        """The databases of a prune service and of an orchestrator."""
        home = self.root / "home"
        for folder, name in (("prune.state", "operations.db"), ("orchestrator.state/runs", "runs.db")):
            (home / "services" / folder).mkdir(parents=True)
            shutil.copy(OLD / name, home / "services" / folder)
        with house.House(home, names=("prune",)) as services:
            orchestrator = services.add_orchestrator()

            def ask(*words, service=orchestrator):
                return json.loads(house.cli(*words, "--endpoint", service.address, "--json").stdout)

            prune = "operations/prune/r1/01a22e2a34a564a42519"
            told = ask("operations", "get", prune, service=services.services["prune"])
            self.assertTrue(told["done"])
            self.assertEqual(told["metadata"]["state"], "SUCCEEDED")
            self.assertEqual([output["name"] for output in told["response"]["outputs"]], ["model"])
            newest, older = (f"runs/r20261130-203407-{end}" for end in ("19af385c0f9414c0", "c3f81c2194da660b"))
            listed = house.cli("runs", "list", "--endpoint", orchestrator.address).stdout.split("\n")
            self.assertEqual([line.split()[:2] for line in listed[:2]], [[newest, "FAILED"], [older, "FAILED"]])
            for name, state in ((older, "SUCCEEDED"), (newest, "CACHED")):
                stages = {stage["name"]: stage for stage in ask("runs", "get", name)["stages"]}
                self.assertEqual(stages["prune"]["state"], state)
                self.assertIn("no label folder", stages["convert"]["error"]["message"])


if __name__ == "__main__":
    unittest.main()
