"""Ctrl-C of commands that follow work: it goes on when a service elsewhere does it, and the command says
the way back; in the command's own process it is cancelled. A signal is sent when a line stands on
stderr, never after a sleep.
"""

import pathlib
import re
import shlex
import signal
import subprocess
import tempfile
import unittest

import house

house.generate_stubs()

from trainyard.v1 import orchestrator_pb2, orchestrator_pb2_grpc  # noqa: E402

import specs  # noqa: E402

INTERRUPTED = 128 + signal.SIGINT
CANCELLED = 3


def bare(line):
    """Without the time of day, and without the stage's number in a run."""
    return re.sub(r"^\d\d:\d\d:\d\d (\[\d+ of \d+\] )?", "", line)


class Command:
    """A `trainyard` command that is still at work; a context manager that leaves no process behind."""

    def __init__(self, *arguments, folder=None):
        self.process = subprocess.Popen([str(house.BIN / "trainyard"), *map(str, arguments)], cwd=folder,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        self.lines = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def await_line(self, start):
        for line in map(bare, self.process.stderr):
            self.lines.append(line)
            if line.startswith(start):
                return
        raise AssertionError(f"ended with {self.process.wait()} without '{start}':\n{''.join(self.lines)}")

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def end(self):
        """The exit code; every line is in `lines` then."""
        self.lines += map(bare, self.process.stderr.readlines())
        return self.process.wait()

    def printed_command(self, words):
        """The arguments of the command that was printed after `words`."""
        for line in self.lines:
            _, found, command = line.partition(f"{words}: trainyard ")
            if found:
                return shlex.split(command)
        raise AssertionError(f"no '{words}: trainyard ...' in:\n{''.join(self.lines)}")


class DetachTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.house = house.House(cls.folder, ("convert", "train"))
        cls.enterClassContext(cls.house)
        cls.house.add_orchestrator()
        cls.workspace = cls.house.workspace
        house.cli("sample-data", cls.workspace / "parts", "--train", 8, "--val", 2)
        (cls.workspace / "convert.txt").write_text(specs.convert("parts/train", val_split=0))
        # More epochs than any test waits for.
        (cls.workspace / "train.txt").write_text(
            specs.train("tfrecords/parts", validation="parts/val", epochs=5000, batch=4))
        (cls.workspace / "pipeline.yaml").write_text("""name: long
stages:
  - {name: convert, kind: convert, spec: convert.txt, outputs: {dataset: tfrecords/parts}}
  - {name: train, kind: train, spec: train.txt, after: [convert]}
""")

    def run_of(self, name):
        stub = orchestrator_pb2_grpc.OrchestratorServiceStub(self.house.channel("orchestrator"))
        return stub.GetRun(orchestrator_pb2.GetRunRequest(name=name), timeout=house.PATIENCE_S).run

    def steps_of(self, name):
        return self.run_of(name).stages[1].progress.done

    def test_a_run_elsewhere_goes_on(self):
        endpoint = self.house.orchestrator.address
        with Command("run", self.workspace / "pipeline.yaml", "--endpoint", endpoint) as run:
            run.await_line("train: RUNNING")
            run.interrupt()
            self.assertEqual(run.end(), INTERRUPTED)
            watch = run.printed_command("follow it with")
            cancel = run.printed_command("cancel it with")
        name = watch[2]
        self.assertEqual(watch, ["runs", "watch", name, "--endpoint", endpoint])
        self.assertIn(f"{name}  RUNNING", house.cli("runs", "list", "--endpoint", endpoint).stdout)
        steps = self.steps_of(name)
        house.wait_until(lambda: self.steps_of(name) > steps, "the training goes on")

        with Command(*watch) as watcher:
            watcher.await_line("train: RUNNING")
            watcher.interrupt()
            self.assertEqual(watcher.end(), INTERRUPTED, "to watch is to be able to stop watching")
        with Command(*watch) as watcher:
            watcher.await_line("train: RUNNING")
            house.cli(*cancel)
            self.assertEqual(watcher.end(), CANCELLED)
        self.assertEqual(self.run_of(name).state, orchestrator_pb2.Run.CANCELLED)

    def test_an_operation_elsewhere_goes_on(self):
        endpoint = self.house.services["train"].address
        house.cli("ssd", "dataset_convert", "-d", self.workspace / "convert.txt", "-o", "tfrecords/parts",
                  "--endpoint", self.house.services["convert"].address)
        with Command("ssd", "train", "-e", self.workspace / "train.txt", "-r", "alone",
                     "--endpoint", endpoint) as train:
            train.await_line("train: ")
            train.interrupt()
            self.assertEqual(train.end(), INTERRUPTED)
            watch = train.printed_command("follow it with")
            cancel = train.printed_command("cancel it with")
        self.assertEqual(watch[:2], ["operations", "watch"])
        with Command(*watch) as watcher:
            watcher.await_line("train: ")
            house.cli(*cancel)
            self.assertEqual(watcher.end(), CANCELLED)

    def test_a_run_in_the_command_itself_is_cancelled(self):
        with Command("run", "pipeline.yaml", folder=self.workspace) as run:
            run.await_line("train: RUNNING")
            run.interrupt()
            self.assertEqual(run.end(), INTERRUPTED)
            self.assertTrue(any(line.startswith("train: CANCELLED") for line in run.lines), run.lines)


if __name__ == "__main__":
    unittest.main()
