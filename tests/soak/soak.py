"""Runs pipelines on real services while processes of every kind are killed at random times.

    soak.py --kills 300 --runs 60 --seed 1

Each run must end as an undisturbed one did: SUCCEEDED, with its digests, weights and metrics; every
digest that is recorded must be that of the file on the disk; nothing may hang. No process may die that
was not killed: the logs of the services must name for each operation that failed, and for each worker
that was started once more, a kill of ours. After the first run and every tenth one comes a run that is
cancelled at some moment, with a kill just before or just after: it must end CANCELLED, and nothing may
work on for it. A line of JSON with the figures comes last; the exit code is 0 when all held.

Runs follow each other, since a data set has one place and a checkpoint records it. Kills come at times
and to processes that the seed decides; what works at that time it does not.
"""

import argparse
import collections
import contextlib
import json
import math
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
# After a cancel the run ends within this time, and so do its operations. A training that has not heard of it
# works for much longer.
CANCEL_S = 60
ENDLESS_EPOCHS = 5000


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
        self.workers = set()  # the process ids of those that were killed
        self.deaths = []
        self.failure = None
        self.over = threading.Event()
        self.services = [*place.services.values(), place.orchestrator]
        # Held while a service is looked at, killed or started.
        self.lock = threading.Lock()

    def run(self):
        try:
            while self.left > 0 and not self.over.wait(self.chance.uniform(0.1, 2 * self.pause)):
                self.look_for_deaths()
                self.kill_one()
        except Exception as failure:  # seen and told by the main thread
            self.failure = failure

    def look_for_deaths(self):
        for service in self.services:
            with self.lock:
                if (code := service.process.poll()) is not None:
                    self.note_death(service, code)
                    service.start()

    def note_death(self, service, code):
        self.deaths.append(f"{service.name} ended with {code}: {service.log()[-400:]}")

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
            self.workers.add(pid)
            with self.lock:
                self.killed[name] += 1
        elif would_give_up(kind):
            return
        else:
            name = kind.name
            # Sometimes started again at once, as a supervisor does it, sometimes late.
            self.kill_service(kind, self.chance.choice([0, 0, 0.3, 2]))
        self.left -= 1
        self.say(f"killed {name}, {self.left} left")

    def kill_service(self, service, pause):
        with self.lock:
            service.kill()
            # One that was dead already has another end than ours.
            if (code := service.process.returncode) != -signal.SIGKILL:
                self.note_death(service, code)
            self.killed[service.name] += 1
            self.over.wait(pause)
            service.start()


def entries(service):
    """The lines of a service's log, of all its processes; one that a kill cut short is left out."""
    for line in service.log().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        yield entry


def would_give_up(service):
    """Whether one more kill would be the third for an operation that did not get on: SERVICE_CRASHED, and rightly."""
    deaths = {}
    for entry in entries(service):
        if entry.get("msg") == "operation is taken up again":
            deaths[entry["job"]] = entry["deaths"]
        elif entry.get("msg") in ("operation succeeded", "operation failed", "operation cancelled"):
            deaths.pop(entry.get("job"), None)
    return any(count >= 2 for count in deaths.values())


def unexplained(service, killed):
    """What ended in a service, by its log, without a kill of ours: each as a sentence.

    `killed`: the process ids of killed workers. What a killed service left is taken up by its next process.
    """
    workers = {}  # by operation: the newest worker of this process of the service
    cancelled = set()
    for entry in entries(service):
        job, message = entry.get("job"), entry.get("msg")
        if message == "serving":
            workers.clear()
        elif message == "worker started":
            workers[job] = entry["pid"]
        elif message == "cancel requested":
            cancelled.add(job)
        elif message in ("operation failed", "worker is started again"):
            # Deaths of services are counted where they are killed.
            if workers.get(job) not in killed and not entry["error"].startswith("the service died"):
                yield f"{job}, {message}, and nobody killed its worker ({workers.get(job)}): {entry['error']}"
        elif message == "worker stands still and is killed":
            # A cancel gives some workers a second only.
            if job not in cancelled:
                yield f"{job}: {message}"
        elif message in ("the listener died", "row is damaged"):
            yield f"{job}: {message}"


class Soak:
    def __init__(self, options, folder):
        self.options = options
        self.place = house.House(folder)
        self.begun = time.monotonic()
        self.problems = []
        self.checked = 0
        self.attempts = 0
        self.retries = []
        self.slowest = 0
        self.undisturbed = None
        self.cancels = collections.Counter()

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
        run = self.follow(self.start(self.options.epochs))
        if run is not None:
            self.slowest = max(self.slowest, time.monotonic() - started)
        return run

    def start(self, epochs):
        request = orchestrator_pb2.StartRunRequest(
            pipeline=pipeline(epochs), pipeline_name="soak.yaml", key=KEY, force=True, request_id=str(uuid.uuid4()))
        return self.ask("StartRun", request).run.name

    def follow(self, name, most_s=math.inf):
        """The run once it has ended; None when it hangs, or goes on for more than `most_s`."""
        begun = time.monotonic()
        seen, moved = None, begun
        while True:
            run = self.ask("GetRun", orchestrator_pb2.GetRunRequest(name=name)).run
            if run.state in ENDED:
                return run
            now = [(stage.state, stage.attempt, stage.progress.done) for stage in run.stages]
            if now != seen:
                seen, moved = now, time.monotonic()
            elif time.monotonic() - moved > self.options.patience:
                self.problem(f"{name} stands still for {self.options.patience} s:\n{run}")
                return None
            if time.monotonic() - begun > most_s:
                self.problem(f"{name} has not ended within {most_s} s:\n{run}")
                return None
            time.sleep(0.1)

    def cancelled_run(self, killer, chance, calm):
        """A run that is cancelled at some moment, with the death of a service just before or just after."""
        # Every other one would not end by itself.
        name = self.start(self.options.epochs if self.cancels.total() % 2 else ENDLESS_EPOCHS)
        time.sleep(chance.uniform(0, calm))  # The moment is the attack.
        # The orchestrator as often as all the others.
        victim = chance.choice([self.place.orchestrator, chance.choice(list(self.place.services.values()))])
        before, pause = chance.choice([False, True]), chance.choice([0, 0, 0.3, 2])
        if before:
            killer.kill_service(victim, pause)
        cancel = orchestrator_pb2.CancelRunRequest(name=name)
        found = self.ask("CancelRun", cancel).run
        if not before:
            killer.kill_service(victim, pause)
        self.say(f"cancelled {name}, killed {victim.name} {'before' if before else 'after'}")
        run = self.follow(name, CANCEL_S)
        self.cancels["LOST" if run is None else Run.State.Name(run.state)] += 1
        if run is None:
            self.ask("CancelRun", cancel)  # so that the rest can go on
        elif run.state != Run.CANCELLED:
            # What was all but done may end well.
            done = all(stage.state == Run.SUCCEEDED for stage in found.stages[:-1])
            if run.state != Run.SUCCEEDED or not done:
                stages = [(stage.name, Run.State.Name(stage.state)) for stage in found.stages]
                self.problem(f"{name}, cancelled at {stages}, is {Run.State.Name(run.state)}: {run.error.message}")
        if self.check_that_nothing_works_on(CANCEL_S):
            self.clear(found)

    def check(self, run):
        """Whether a run ended as the undisturbed one did."""
        if run.state != Run.SUCCEEDED:
            self.problem(f"{run.name} is {Run.State.Name(run.state)}: {run.error.message}")
            return
        self.attempts += sum(stage.attempt for stage in run.stages)
        self.retries += [f"{run.name}, {stage.name}: {stage.reason}" for stage in run.stages
                         for _ in range(stage.attempt - 1)]
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

    def check_and_clear(self, run):
        """The results of a run with problems stay, to be looked at."""
        before = len(self.problems)
        self.check(run)
        if len(self.problems) == before:
            self.clear(run)

    def clear(self, run):
        shutil.rmtree(self.place.workspace / run.results_uri, ignore_errors=True)

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

    def at_work(self, name):
        """The operations of a service that have not ended; a word for it when it does not answer."""
        with self.place.channel(name) as channel:
            stub = operations_pb2_grpc.OperationsStub(channel)
            try:
                page = stub.ListOperations(operations_pb2.ListOperationsRequest(page_size=1000), timeout=20)
            except grpc.RpcError as error:
                return [str(error.code())]
            return [operation.name for operation in page.operations if not operation.done]

    def check_that_nothing_works_on(self, patience_s):
        """Whether operations of attempts that were given up, and of runs that were cancelled, have ended, too."""
        deadline = time.monotonic() + patience_s
        works = {}
        for name in self.place.services:
            while (left := self.at_work(name)) and time.monotonic() < deadline:
                time.sleep(0.1)
            if left:
                works[name] = left
        for name, left in works.items():
            self.problem(f"{name} still works on {left} after {patience_s} s")
            with self.place.channel(name) as channel:  # so that the rest can go on
                for operation in left:
                    with contextlib.suppress(grpc.RpcError):
                        operations_pb2_grpc.OperationsStub(channel).CancelOperation(
                            operations_pb2.CancelOperationRequest(name=operation), timeout=20)
        return not works

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
            runs = self.disturbed_runs(killer, calm)
            killer.over.set()
            killer.join(house.PATIENCE_S)
            if killer.failure:
                self.problem(f"the killer failed: {killer.failure}")
            killer.look_for_deaths()
            for death in killer.deaths:
                self.problem(f"a process died that was not killed: {death}")
            self.check_that_nothing_works_on(self.options.patience)
            for service in self.place.services.values():
                for end in unexplained(service, killer.workers):
                    self.problem(f"ended without a kill: {end}")
            # A service that was killed takes its operations up again itself.
            if len(self.retries) > len(killer.workers):
                self.problem(f"more was tried again than {len(killer.workers)} workers killed: {self.retries}")
        for service in killer.services:
            if service.process.returncode != 0:
                self.problem(f"{service.name}, told to stop, ended with {service.process.returncode}")
        figures = {"runs": runs, "kills": sum(killer.killed.values()), "killed": dict(killer.killed),
                   "digests_checked": self.checked, "attempts": self.attempts,
                   "cancels": dict(self.cancels),
                   "undisturbed_s": round(calm, 1), "slowest_run_s": round(self.slowest, 1),
                   "seconds": round(time.monotonic() - self.begun), "problems": len(self.problems)}
        print(json.dumps(figures), flush=True)

    def disturbed_runs(self, killer, calm):
        """Runs until both numbers are reached."""
        chance = random.Random(self.options.seed + 1)
        runs = 0
        while runs < self.options.runs or (killer.left > 0 and killer.is_alive()):
            run = self.one_run()
            runs += 1
            if run is not None:
                self.check_and_clear(run)
                self.say(f"{run.name} {Run.State.Name(run.state)}, run {runs}")
            # Only now, for it works on the data set of the run before.
            if runs % 10 == 1:
                self.cancelled_run(killer, chance, calm)
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
