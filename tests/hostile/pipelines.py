"""Pipelines that would take the orchestrator's memory, threads or state."""

import concurrent.futures
import os
import pathlib
import resource
import signal
import sqlite3
import time

import attacked
import grpc
import house
from attacked import ANSWER_S, Run, StatusCode, orchestrator_pb2, resident_mib, slow

MEMORY_MIB = 400


def block(text):
    return "|\n" + "".join(f"      {line}\n" for line in text.splitlines())


def convert_pipeline(dataset="", spec_extra=""):
    outputs = f"    outputs: {{dataset: {dataset}}}\n" if dataset else ""
    return (f"name: attacked\nresults: results\nstages:\n  - name: convert\n    kind: convert\n"
            f"    spec: {block(attacked.specs.convert('parts/train', val_split=0) + spec_extra)}{outputs}")


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

    def refused_in_little_memory(self, text, words):
        status = self.refused(self.stub("orchestrator").StartRun,
                              orchestrator_pb2.StartRunRequest(pipeline=text, validate_only=True),
                              StatusCode.INVALID_ARGUMENT)
        self.assertIn(words, status.message)
        self.assertLess(resident_mib(self.service("orchestrator").process.pid), MEMORY_MIB)

    def test_references_that_multiply(self):
        for times in (10000, 80000):
            self.refused_in_little_memory(
                "params: {a: " + "x" * 100000 + "}\nstages:\n  - {name: t, kind: train, spec: \"" +
                "${param.a}" * times + ": \"}\n", "4194304 bytes")

    def test_references_to_the_run_that_multiply(self):
        status = self.refused(
            self.stub("orchestrator").StartRun, orchestrator_pb2.StartRunRequest(
                pipeline="services: {train: \"127.0.0.1:1\"}\nresults: " + "r" * 4000 +
                "\nstages:\n  - {name: t, kind: train, spec: \"" + "${results}" * 60000 + ": \"}\n"),
            StatusCode.FAILED_PRECONDITION)
        self.assertIn("4194304 bytes", status.message)

    def test_a_million_keys(self):
        self.refused_in_little_memory("params:\n" + "".join(f"  k{i}: 1\n" for i in range(1000000)), "1048576")
        self.refused_in_little_memory("stages: [" + "a," * 400000 + "]", "100000 values")

    def test_deep_yaml(self):
        for opening in ("[", "{a: ", "- ", "? ", "!!x ", "&a "):
            self.refused(self.stub("orchestrator").StartRun,
                         orchestrator_pb2.StartRunRequest(pipeline=opening * 200000, validate_only=True),
                         StatusCode.INVALID_ARGUMENT)

    def test_aliases_that_multiply(self):
        text = "path_map: &m {" + ", ".join(f"k{i}: v" for i in range(2000)) + "}\nstages:\n"
        text += "".join(f"  - {{name: s{i}, kind: prune, inputs: *m, outputs: *m, reads: [*m]}}\n" for i in range(250))
        self.refused_in_little_memory(text, "")

    def test_ended_runs_leave_no_threads(self):
        self.finish(self.start(convert_pipeline("tfrecords/threads")).name)
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
        self.finish(self.start(convert_pipeline("tfrecords/names")).name)
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            names = list(pool.map(lambda _: self.start(convert_pipeline("tfrecords/names")).name, range(100)))
        self.assertEqual(len(set(names)), 100)
        for name in names:
            self.finish(name)

    def test_a_cached_output_changed_in_place(self):
        run = self.finish(self.start(convert_pipeline("tfrecords/changed")).name)
        self.assertEqual(self.finish(self.start(convert_pipeline("tfrecords/changed")).name).stages[0].state, Run.CACHED)
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
        with self.limited("orchestrator", resource.RLIMIT_FSIZE, 1 << 62):
            pass  # The limit can be set at all.
        run = self.start(convert_pipeline(), force=True)
        with self.limited("orchestrator", resource.RLIMIT_FSIZE, 1):
            operation_over = time.monotonic() + 8
            while time.monotonic() < operation_over:
                found = self.run_state(run.name)
                self.assertNotIn(found.state, (Run.SUCCEEDED, Run.FAILED), "said, and not stored")
                if '"run ended"' in self.service("orchestrator").log().rsplit(run.name.split("/")[1], 1)[-1]:
                    self.fail("the log says what the API does not")
                time.sleep(0.2)
        self.assertEqual(self.finish(run.name).state, Run.SUCCEEDED)
        self.service("orchestrator").kill()
        self.service("orchestrator").start()
        after = self.run_state(run.name)
        self.assertEqual((after.state, after.stages[0].attempt), (Run.SUCCEEDED, 1))

    def test_one_bad_event_does_not_hide_the_others(self):
        good = self.finish(self.start(convert_pipeline("tfrecords/bad")).name).name
        bad = self.finish(self.start(convert_pipeline("tfrecords/bad")).name).name
        orchestrator = self.service("orchestrator")
        orchestrator.stop()
        [path] = orchestrator.folder.rglob("runs.db")
        with sqlite3.connect(path) as database:
            database.execute("UPDATE events SET payload = x'ff' WHERE run = ? AND sequence = 2", (bad.split("/")[1],))
        database.close()
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        orchestrator.start()
        runs = {run.name: run for run in self.ask("orchestrator", "ListRuns", orchestrator_pb2.ListRunsRequest(
            page_size=1000), "orchestrator").runs}
        self.assertEqual(runs[good].state, Run.SUCCEEDED)
        self.assertIn("cannot be read", runs[bad].error.message)

    def test_a_bad_unfinished_run_does_not_keep_the_orchestrator_from_starting(self):
        run = self.start(convert_pipeline(), force=True)
        orchestrator = self.service("orchestrator")
        orchestrator.kill()
        [path] = orchestrator.folder.rglob("runs.db")
        with sqlite3.connect(path) as database:
            database.execute("UPDATE events SET payload = x'ff' WHERE run = ?", (run.name.split("/")[1],))
            database.execute("UPDATE runs SET ended = 0 WHERE id = ?", (run.name.split("/")[1],))
        database.close()
        orchestrator.start()
        self.assertIn(run.name.split("/")[1], orchestrator.log())

    @slow
    def test_a_service_that_is_stopped_and_goes_on(self):
        run = self.start(convert_pipeline(), force=True)
        convert = self.service("convert")
        os.kill(convert.process.pid, signal.SIGSTOP)
        try:
            second = concurrent.futures.ThreadPoolExecutor(1).submit(
                lambda: self.stub("orchestrator").StartRun.future(
                    orchestrator_pb2.StartRunRequest(pipeline=convert_pipeline()), timeout=60).exception())
            self.assertEqual(second.result(90).code(), StatusCode.UNAVAILABLE)
            time.sleep(70)
        finally:
            os.kill(convert.process.pid, signal.SIGCONT)
        self.assertEqual(self.finish(run.name).state, Run.SUCCEEDED)
