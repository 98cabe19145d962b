"""Pipelines that would take the orchestrator's memory, threads or state."""

import concurrent.futures
import os
import pathlib
import resource
import signal
import sqlite3
import time

import attacked
import house
from attacked import ANSWER_S, Run, StatusCode, operations_pb2, orchestrator_pb2, resident_mib, slow

MEMORY_MIB = 400


def block(text):
    return "|\n" + "".join(f"      {line}\n" for line in text.splitlines())


def convert_pipeline(dataset="", root="parts/train"):
    outputs = f"    outputs: {{dataset: {dataset}}}\n" if dataset else ""
    return (f"name: attacked\nresults: results\nstages:\n  - name: convert\n    kind: convert\n"
            f"    spec: {block(attacked.specs.convert(root, val_split=0))}{outputs}")


class Pipelines(attacked.Attacked):
    orchestrated = True

    def start(self, pipeline, **more):
        return self.stub("orchestrator").StartRun(
            orchestrator_pb2.StartRunRequest(pipeline=pipeline, **more), timeout=3 * ANSWER_S).run

    def run_state(self, name):
        return self.ask("orchestrator", "GetRun", orchestrator_pb2.GetRunRequest(name=name), "orchestrator").run

    def finish(self, name):
        def ended():
            run = self.run_state(name)
            return run if run.state in (Run.SUCCEEDED, Run.FAILED, Run.CANCELLED) else None
        return house.wait_until(ended, f"{name} ends", 2 * house.PATIENCE_S)

    def finish_well(self, name):
        run = self.finish(name)
        self.assertEqual(run.state, Run.SUCCEEDED, run)
        return run

    def start_slow(self):
        """A run whose only stage works for seconds; its name, and the operation."""
        if not (self.workspace / "slow").exists():
            attacked.large_pictures(self.workspace / "slow", 8)
        name = self.start(convert_pipeline(root="slow"), force=True).name
        operation = house.wait_until(lambda: self.run_state(name).stages[0].operation, f"{name} works")
        return name, operations_pb2.Operation(name=operation)

    def edit(self, change, *values):
        """Changes rows in the store of the orchestrator, which must not run."""
        [path] = self.service("orchestrator").folder.rglob("runs.db")
        with sqlite3.connect(path) as database:
            self.assertGreater(database.execute(change, values).rowcount, 0)
        database.close()
        return path

    def refused_in_little_memory(self, text, words):
        self.refused(self.stub("orchestrator").StartRun,
                     orchestrator_pb2.StartRunRequest(pipeline=text, validate_only=True),
                     StatusCode.INVALID_ARGUMENT, words)
        self.assertLess(resident_mib(self.service("orchestrator").process.pid), MEMORY_MIB)

    def test_references_that_multiply(self):
        for times in (10000, 80000):
            self.refused_in_little_memory(
                "params: {a: " + "x" * 100000 + "}\nstages:\n  - {name: t, kind: train, spec: \"" +
                "${param.a}" * times + ": \"}\n", "4194304 bytes")

    def test_references_to_the_run_that_multiply(self):
        self.refused(
            self.stub("orchestrator").StartRun, orchestrator_pb2.StartRunRequest(
                pipeline="services: {train: \"127.0.0.1:1\"}\nresults: " + ("r" * 200 + "/") * 15 +
                "\nstages:\n  - {name: t, kind: train, spec: \"" + "${results}" * 60000 + ": \"}\n"),
            StatusCode.FAILED_PRECONDITION, "4194304 bytes")

    def test_a_million_keys(self):
        self.refused_in_little_memory("params:\n" + "".join(f"  k{i}: 1\n" for i in range(1000000)), "1048576")
        self.refused_in_little_memory("stages: [" + "a," * 400000 + "]", "100000 values")

    def test_deep_yaml(self):
        for opening in ("[", "{a: ", "- ", "? ", "!!x [", "&a ["):
            with self.subTest(opening=opening):
                self.refused(self.stub("orchestrator").StartRun,
                             orchestrator_pb2.StartRunRequest(pipeline=opening * 200000, validate_only=True),
                             StatusCode.INVALID_ARGUMENT, "more than 64 lists and mappings inside each other")

    def test_aliases_that_multiply(self):
        text = "path_map: &m {" + ", ".join(f"k{i}: v" for i in range(2000)) + "}\nstages:\n"
        text += "".join(f"  - {{name: s{i}, kind: prune, inputs: *m, outputs: *m, reads: [*m]}}\n" for i in range(250))
        self.refused_in_little_memory(text, "s0.inputs.k0 is no input of prune")

    def test_ended_runs_leave_no_threads(self):
        self.finish_well(self.start(convert_pipeline("tfrecords/threads")).name)
        pid = self.service("orchestrator").process.pid

        def threads():
            return len(list(pathlib.Path(f"/proc/{pid}/task").iterdir()))

        for _ in range(5):
            self.finish(self.start(convert_pipeline("tfrecords/threads")).name)
        before = threads()
        for _ in range(40):
            run = self.finish(self.start(convert_pipeline("tfrecords/threads")).name)
            self.assertEqual(run.stages[0].state, Run.CACHED)
        self.assertLessEqual(threads(), before + 8)

    def test_runs_started_together_have_names_of_their_own(self):
        self.finish_well(self.start(convert_pipeline("tfrecords/names")).name)
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            names = list(pool.map(lambda _: self.start(convert_pipeline("tfrecords/names")).name, range(100)))
        self.assertEqual(len(set(names)), 100)
        for name in names:
            self.finish_well(name)

    def test_a_cached_output_changed_in_place(self):
        run = self.finish_well(self.start(convert_pipeline("tfrecords/changed")).name)
        again = self.finish(self.start(convert_pipeline("tfrecords/changed")).name)
        self.assertEqual(again.stages[0].state, Run.CACHED)
        shard = next((self.workspace / "tfrecords").glob("changed-fold-*"))
        times = shard.stat()
        data = bytearray(shard.read_bytes())
        data[len(data) // 2] ^= 1
        with open(shard, "r+b") as file:
            file.write(data)
        os.utime(shard, ns=(times.st_atime_ns, times.st_mtime_ns))
        again = self.finish(self.start(convert_pipeline("tfrecords/changed")).name)
        self.assertEqual(again.stages[0].state, Run.SUCCEEDED)
        self.assertEqual(again.stages[0].outputs[0].sha256, run.stages[0].outputs[0].sha256)

    def test_a_full_disk_of_state(self):
        """What the orchestrator cannot store it does not say."""
        name, operation = self.start_slow()
        with self.limited(self.pid("orchestrator"), resource.RLIMIT_FSIZE, 1):
            self.succeeded("convert", operation)
            unsaid = time.monotonic() + 3
            while time.monotonic() < unsaid:
                self.assertNotIn(self.run_state(name).state, (Run.SUCCEEDED, Run.FAILED), "said, and not stored")
                time.sleep(0.1)
        run = self.finish_well(name)
        # The log, too, could not grow: a line of that time would not be there.
        self.assertIn('"run ended"', self.service("orchestrator").log().rsplit(operation.name, 1)[-1])
        self.service("orchestrator").kill()
        self.service("orchestrator").start()
        after = self.run_state(name)
        self.assertEqual((after.state, after.end_time, after.stages[0].attempt), (Run.SUCCEEDED, run.end_time, 1))

    def check_unreadable(self, name):
        """The list has the run, and says why it has nothing else of it."""
        runs = {run.name: run for run in self.ask("orchestrator", "ListRuns", orchestrator_pb2.ListRunsRequest(
            page_size=1000), "orchestrator").runs}
        self.assertEqual(runs[name].state, Run.FAILED)
        self.assertEqual(runs[name].error.code, StatusCode.DATA_LOSS.value[0])
        self.assertIn("cannot be read", runs[name].error.message)
        return runs

    def test_one_bad_event_does_not_hide_the_others(self):
        good = self.finish_well(self.start(convert_pipeline("tfrecords/bad")).name).name
        bad = self.finish_well(self.start(convert_pipeline("tfrecords/bad")).name).name
        orchestrator = self.service("orchestrator")
        orchestrator.stop()
        path = self.edit("UPDATE events SET payload = x'ff' WHERE run = ? AND sequence = 2", bad.split("/")[1])
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        orchestrator.start()
        self.assertEqual(self.check_unreadable(bad)[good].state, Run.SUCCEEDED)

    def test_a_bad_unfinished_run_does_not_keep_the_orchestrator_from_starting(self):
        name, _ = self.start_slow()
        orchestrator = self.service("orchestrator")
        orchestrator.kill()
        said = len(orchestrator.log())
        self.edit("UPDATE events SET payload = x'ff' WHERE run = ?", name.split("/")[1])
        self.edit("UPDATE runs SET ended = 0 WHERE id = ?", name.split("/")[1])
        orchestrator.start()
        self.assertIn(name.split("/")[1], orchestrator.log()[said:])
        self.check_unreadable(name)

    @slow
    def test_a_service_that_is_stopped_and_goes_on(self):
        name, _ = self.start_slow()
        convert = self.service("convert")
        os.kill(self.pid("convert"), signal.SIGSTOP)
        try:
            self.refused(self.stub("orchestrator").StartRun,
                         orchestrator_pb2.StartRunRequest(pipeline=convert_pipeline()), StatusCode.UNAVAILABLE,
                         f"'{convert.address}': nobody answered", timeout=90)
            house.wait_until(lambda: "waits for convert" in self.run_state(name).stages[0].progress.message,
                             "the silence is noticed", 120)
        finally:
            os.kill(self.pid("convert"), signal.SIGCONT)
        self.finish_well(name)
