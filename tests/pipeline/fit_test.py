"""`trainyard fit`: from a folder of labelled pictures to engines and a report, in one command and a minute."""

import json
import os
import pathlib
import stat
import tempfile
import unittest

import house


class FitTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = pathlib.Path(temporary.name).resolve()
        os.environ.pop("TRAINYARD_KEY", None)
        cls.run_cli("sample-data", "parts", "--train", 40, "--val", 8)
        cls.done = cls.run_cli("fit", "parts", "--out", "out", "--minutes", 1.5, "--json", "-q")

    @classmethod
    def run_cli(cls, *arguments, **options):
        return house.cli(*arguments, cwd=cls.folder, **options)

    def lines(self):
        return [json.loads(line) for line in self.done.stdout.splitlines()]

    def test_it_ends_with_a_run_whose_stages_succeeded(self):
        run = self.lines()[-1]
        self.assertEqual(run["state"], "SUCCEEDED")
        self.assertEqual([stage["name"] for stage in run["stages"]],
                         ["train", "evaluate", "export", "build-fp32", "build-int8", "evaluate-fp32", "evaluate-int8",
                          "infer-int8"])
        for name in ("report.html", "ledger.json"):
            self.assertTrue((pathlib.Path(run["results_uri"]) / name).is_file())

    def test_choices_are_told_and_kept(self):
        choices = {line["what"]: line for line in self.lines() if "what" in line}
        self.assertIn("(measured)", choices["training time"]["reason"])
        self.assertIn(choices["input"]["value"], (self.folder / "out/choices.txt").read_text())
        width, height = choices["input"]["value"].split("x")
        spec = (self.folder / "out/specs/train.txt").read_text()
        self.assertIn(f"output_width: {width}\n", spec)
        self.assertIn(f"output_height: {height}\n", spec)
        self.run_cli("spec", "check", "out/specs/train.txt")

    def test_the_parts_are_those_of_the_data_and_the_key_is_its_owners(self):
        self.assertEqual(len(list((self.folder / "out/data/training/images").iterdir())), 40)
        self.assertEqual(len(list((self.folder / "out/data/validation/labels").iterdir())), 8)
        self.assertEqual(stat.S_IMODE((self.folder / "out/model.key").stat().st_mode), 0o600)

    def test_the_pipeline_goes_on_by_hand_with_what_is_there(self):
        again = self.run_cli("run", "out/pipeline.yaml", "--state-dir", "out/.trainyard", "--json", "-q")
        run = json.loads(again.stdout.splitlines()[-1])
        self.assertEqual({stage["state"] for stage in run["stages"]}, {"CACHED"})

    def test_a_folder_that_is_no_data_is_refused(self):
        (self.folder / "empty").mkdir(exist_ok=True)
        refused = self.run_cli("fit", "empty", "--out", "nothing", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("no data set of a format that is known", refused.stderr)


if __name__ == "__main__":
    unittest.main()
