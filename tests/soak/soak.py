"""Runs pipelines on real services while processes of every kind are killed at random times.

    soak.py --kills 300 --runs 60 --seed 1

Each run must end as an undisturbed one did: SUCCEEDED, with its digests, weights and metrics; every
digest that is recorded must be that of the file on the disk; nothing may hang, and no process may die
that was not killed. A line of JSON with the figures comes last; the exit code is 0 when all held.

Runs follow each other, since a data set has one place and a checkpoint records it. Kills come at times
and to processes that the seed decides; what works at that time it does not.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import uuid

import house

house.generate_stubs()

import grpc  # noqa: E402
from google.longrunning import operations_pb2, operations_pb2_grpc  # noqa: E402
from trainyard.v1 import operation_pb2, orchestrator_pb2, orchestrator_pb2_grpc  # noqa: E402

import specs  # noqa: E402
from digests import digest  # noqa: E402

KEY = "env:TRAINYARD_SOAK_KEY"
Run = orchestrator_pb2.Run
ENDED = (Run.SUCCEEDED, Run.FAILED, Run.CANCELLED)
# What holds times of the run, and so differs from one to the next.
TIMED_OUTPUTS = ("results", "log", "ledger", "quantization")
TIMED_METRICS = ("ms", "s", "1/s", "images/s")


def block(text):
    """A text as a YAML block below a stage's key."""
    return "|\n" + "".join(f"      {line}\n" for line in text.splitlines())


def pipeline(epochs):
    train = block(specs.train("${stage.convert.outputs.dataset}", validation="parts/val", epochs=epochs, batch=4))
    return f"""name: soak
results: results
stages:
  - name: convert
    kind: convert
    spec: {block(specs.convert("parts/train", val_split=0))}
    outputs: {{dataset: tfrecords/parts}}
    retries: 50
  - name: train
    kind: train
    spec: {train}
    options: {{deterministic: true}}
    retries: 50
  - name: evaluate
    kind: evaluate
    spec: {train}
    inputs: {{model: "${{stage.train.outputs.last}}"}}
    retries: 50
  - name: prune
    kind: prune
    inputs: {{model: "${{stage.train.outputs.last}}"}}
    options: {{remove: 0.5}}
    retries: 50
  - name: export
    kind: export
    spec: {train}
    inputs: {{model: "${{stage.prune.outputs.model}}"}}
    outputs: {{onnx: "${{results}}/export/model.onnx"}}
    retries: 50
  - name: build
    kind: build
    inputs: {{model: "${{stage.export.outputs.model}}"}}
    retries: 50
  - name: evaluate-engine
    kind: evaluate_engine
    spec: {train}
    inputs: {{model: "${{stage.build.outputs.engine}}"}}
    retries: 50
"""


def workers_of(folder):
    """Process ids of the worker programs that work below `folder`."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            program = os.readlink(entry / "exe")
        except OSError:
            continue
        name = pathlib.Path(program).name
        if name.endswith("-worker") and program.startswith(str(house.BIN.resolve())):
            where = " ".join(words)
            try:
                where += os.readlink(entry / "cwd")
            except OSError:
                pass
            if str(folder) in where:
                found.append((int(entry.name), name))
    return found


class Killer(threading.Thread):
    """Kills `kills` processes, one after about `pause` seconds, and starts services again."""

    def __init__(self, place, kills, pause, chance, say):
        super().__init__(daemon=True)
        self.place, self.left, self.pause, self.chance, self.say = place, kills, pause, chance, say
        self.killed = collections.Counter()
        self.deaths = []
        self.failure = None
        self.over = threading.Event()
        # Held while a service is down, so that nobody asks a dead address for its port.
        self.services = [*place.services.values(), place.orchestrator]

    def run(self):
        try:
            while self.left > 0 and not self.over.wait(self.chance.uniform(0.1, 2 * self.pause)):
                self.look_for_deaths()
                self.kill_one()
        except Exception as failure:  # seen and told by the main thread
            self.failure = failure

    def look_for_deaths(self):
        for service in self.services:
            if (code := service.process.poll()) is not None:
                self.deaths.append(f"{service.name} ended with {code}: {service.log()[-400:]}")
                service.start()

    def kill_one(self):
        # Workers are where most time goes: they get as many as two services.
        kind = self.chance.choice([*self.services, "worker", "worker"])
        if kind == "worker":
            workers = workers_of(self.place.folder)
            if not workers:
                return
            pid, name = self.chance.choice(workers)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                return
        else:
            name = kind.name
            kind.kill()
            # Sometimes at once, as a supervisor does it, sometimes late.
            self.over.wait(self.chance.choice([0, 0, 0.3, 2]))
            kind.start()
        self.left -= 1
        self.killed[name] += 1
        self.say(f"killed {name}, {self.left} left")


class Soak:
    def __init__(self, options, folder):
        self.options = options
        self.place = house.House(folder)
        self.begun = time.monotonic()
        self.problems = []
        self.checked = 0
        self.attempts = 0
        self.slowest = 0
        self.undisturbed = None

    def say(self, text):
        print(f"[{time.monotonic() - self.begun:7.1f} s] {text}", flush=True)

    def problem(self, text):
        self.problems.append(text)
        self.say(f"PROBLEM: {text}")

    def ask(self, method, request, patience_s=house.PATIENCE_S):
        """A call to an orchestrator that may just be dead; repeated, which its request allows."""
        deadline = time.monotonic() + patience_s
        while True:
            # A channel of its own: one that saw the address refused waits before it tries again.
            with grpc.insecure_channel(self.place.orchestrator.address) as channel:
                stub = orchestrator_pb2_grpc.OrchestratorServiceStub(channel)
                try:
                    return getattr(stub, method)(request, timeout=30)
                except grpc.RpcError as error:
                    passing = error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED,
                                               grpc.StatusCode.CANCELLED)
                    if not passing or time.monotonic() > deadline:
                        raise
            time.sleep(0.1)

    def one_run(self):
        """Starts a run, and returns it once it has ended; None when it hangs."""
        started = time.monotonic()
        request = orchestrator_pb2.StartRunRequest(
            pipeline=pipeline(self.options.epochs), pipeline_name="soak.yaml", key=KEY, force=True,
            request_id=str(uuid.uuid4()))
        name = self.ask("StartRun", request).run.name
        seen, moved = None, time.monotonic()
        while True:
            run = self.ask("GetRun", orchestrator_pb2.GetRunRequest(name=name)).run
            if run.state in ENDED:
                self.slowest = max(self.slowest, time.monotonic() - started)
                return run
            now = [(stage.state, stage.attempt, stage.progress.done) for stage in run.stages]
            if now != seen:
                seen, moved = now, time.monotonic()
            elif time.monotonic() - moved > self.options.patience:
                self.problem(f"{name} stands still for {self.options.patience} s:\n{run}")
                return None
            time.sleep(0.1)

    def check(self, run):
        """Whether a run ended as the undisturbed one did."""
        if run.state != Run.SUCCEEDED:
            self.problem(f"{run.name} is {Run.State.Name(run.state)}: {run.error.message}")
            return
        self.attempts += sum(stage.attempt for stage in run.stages)
        for stage in run.stages:
            where = f"{run.name}, {stage.name}"
            if stage.state != Run.SUCCEEDED:
                self.problem(f"{where} is {Run.State.Name(stage.state)}")
            if not stage.outputs:
                self.problem(f"{where} has no outputs")
            for output in stage.outputs:
                self.checked += 1
                found = digest(self.place.workspace / output.uri)
                if not output.sha256 or output.sha256 != found:
                    self.problem(f"{where}: recorded '{output.sha256}', on disk '{found}': {output.uri}")
        results = self.results_of(run)
        if self.undisturbed is None:
            self.undisturbed = results
        for key in results.keys() | self.undisturbed.keys():
            if results.get(key) != self.undisturbed.get(key):
                self.problem(f"{run.name}: {key} is {results.get(key)}, undisturbed {self.undisturbed.get(key)}")

    @staticmethod
    def results_of(run):
        """What must be the same in every run, by stage and name."""
        results = {}
        for stage in run.stages:
            for output in stage.outputs:
                if output.name not in TIMED_OUTPUTS:
                    results[stage.name, "output", output.name] = output.sha256
            for metric in stage.metrics:
                if metric.unit not in TIMED_METRICS:
                    results[stage.name, "metric", metric.name, metric.class_name] = metric.value
        return results

    def check_that_nothing_works_on(self):
        """Operations of attempts that were given up must have ended, too."""
        for name in self.place.services:
            def at_work(name=name):
                with self.place.channel(name) as channel:
                    stub = operations_pb2_grpc.OperationsStub(channel)
                    try:
                        page = stub.ListOperations(operations_pb2.ListOperationsRequest(page_size=1000), timeout=20)
                    except grpc.RpcError as error:
                        return [str(error.code())]
                    return [operation.name for operation in page.operations if not operation.done]

            try:
                house.wait_until(lambda: not at_work(), f"no operation of {name} works", self.options.patience)
            except AssertionError:
                self.problem(f"{name} still works on {at_work()}")

    def run(self):
        os.environ[KEY.split(":")[1]] = "the key of the soak"
        house.cli("sample-data", self.place.workspace / "parts", "--train", 16, "--val", 4)
        with self.place:
            self.place.add_orchestrator()
            first = self.one_run()
            if first is None:
                return
            self.check(first)
            calm = self.slowest
            self.say(f"undisturbed: {calm:.1f} s")
            pause = max(0.2, calm * self.options.runs / max(1, self.options.kills))
            killer = Killer(self.place, self.options.kills, pause, random.Random(self.options.seed), self.say)
            killer.start()
            runs = self.disturbed_runs(killer)
            killer.over.set()
            killer.join(house.PATIENCE_S)
            if killer.failure:
                self.problem(f"the killer failed: {killer.failure}")
            killer.look_for_deaths()
            for death in killer.deaths:
                self.problem(f"a process died that was not killed: {death}")
            self.check_that_nothing_works_on()
        figures = {"runs": runs, "kills": sum(killer.killed.values()), "killed": dict(killer.killed),
                   "digests_checked": self.checked, "attempts": self.attempts,
                   "undisturbed_s": round(calm, 1), "slowest_run_s": round(self.slowest, 1),
                   "seconds": round(time.monotonic() - self.begun), "problems": len(self.problems)}
        print(json.dumps(figures), flush=True)

    def disturbed_runs(self, killer):
        """Runs until both numbers are reached."""
        runs = 0
        while runs < self.options.runs or (killer.left > 0 and killer.is_alive()):
            run = self.one_run()
            runs += 1
            if run is None:
                continue
            before = len(self.problems)
            self.check(run)
            self.say(f"{run.name} {Run.State.Name(run.state)}, run {runs}")
            if len(self.problems) == before:
                shutil.rmtree(self.place.workspace / run.results_uri, ignore_errors=True)
            # The rest would not end either.
            if len(self.problems) > 20:
                break
        return runs


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--patience", type=float, default=5 * house.PATIENCE_S,
                        help="seconds without any progress after which a run counts as hung")
    parser.add_argument("--keep", help="folder for all files, kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        soak = Soak(options, options.keep or temporary)
        soak.run()
    for problem in soak.problems:
        print(f"PROBLEM: {problem}", file=sys.stderr)
    return 1 if soak.problems else 0


if __name__ == "__main__":
    sys.exit(main())
