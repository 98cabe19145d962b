"""The control plane of one real service process: submitting, asking, watching, restarting.

    ninja -C build/release trainyard-fake-service trainyard-fake-worker
    .deps/venv/bin/python tests/bench/control_plane.py [--operations 10000] [--watchers 1000]

Prints one line for each figure, and ends with 1 when one misses its target. The work is a worker that hangs, so that
all operations but one wait; the client is Python, over loopback, and its own time is part of each figure.
"""

import argparse
import asyncio
import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support" / "python"))
import house  # noqa: E402

house.generate_stubs()

import grpc  # noqa: E402
from google.longrunning import operations_pb2, operations_pb2_grpc  # noqa: E402
from trainyard.v1 import operation_pb2, operation_pb2_grpc, train_pb2, train_pb2_grpc  # noqa: E402

SUBMITS_PER_S, RESTART_S, GET_P99_MS = 1000, 3.0, 1.0
OUTSTANDING, ASKED = 64, 5000
PROGRAMS = house.BUILD / "bin"


class Service:
    def __init__(self, folder):
        self.folder, self.process, self.port = folder, None, None
        (folder / "work").mkdir()

    def start(self):
        """Seconds until it serves."""
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        begin = time.monotonic()
        self.process = subprocess.Popen(
            [PROGRAMS / "trainyard-fake-service", "--listen", f"127.0.0.1:{self.port or 0}", "--port-file", port_file,
             "--workspace", self.folder / "work", "--state-dir", self.folder / "state",
             "--worker", PROGRAMS / "trainyard-fake-worker", "--max-queue", "1000000",
             "--log-level", "warning", "--log-file", self.folder / "log"])
        while not port_file.exists():
            if self.process.poll() is not None:
                raise SystemExit((self.folder / "log").read_text())
            time.sleep(0.005)
        took = time.monotonic() - begin
        self.port = int(port_file.read_text())
        return took

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def rss_mb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


def submit(channel, count):
    """Names, and the seconds that each tenth of them took."""
    stub = train_pb2_grpc.TrainServiceStub(channel)
    names, tenths, waiting = [], [], []
    begin = time.monotonic()
    for i in range(count):
        request = train_pb2.TrainRequest(request_id=str(uuid.uuid4()))
        request.stage.spec_text = "progress 1 4\nhang"
        waiting.append(stub.Train.future(request))
        if len(waiting) == OUTSTANDING:
            names.append(waiting.pop(0).result().name)
        if (i + 1) % (count // 10) == 0:
            tenths.append(time.monotonic() - begin)
            begin = time.monotonic()
    names += [call.result().name for call in waiting]
    return names, tenths


def ask(channel, name):
    """p50 and p99 of GetOperation, in ms, one call at a time."""
    stub = operations_pb2_grpc.OperationsStub(channel)
    request = operations_pb2.GetOperationRequest(name=name)
    times = []
    for _ in range(ASKED):
        begin = time.perf_counter()
        stub.GetOperation(request)
        times.append((time.perf_counter() - begin) * 1e3)
    times.sort()
    return times[len(times) // 2], times[len(times) * 99 // 100]


def watch(port, names, watching, end):
    """In a process of its own: follows operations until told to end."""
    async def one(stub, name):
        stream = stub.WatchOperation(operation_pb2.WatchOperationRequest(name=name))
        await stream.read()
        return stream

    async def all_of_them():
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = operation_pb2_grpc.OperationWatchServiceStub(channel)
            streams = await asyncio.gather(*(one(stub, name) for name in names))
            watching.set()
            while not end.is_set():
                await asyncio.sleep(0.1)
            # Its threads do not always end when many streams are cancelled at once.
            os._exit(0 if len(streams) == len(names) else 1)

    asyncio.run(all_of_them())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--operations", type=int, default=10000)
    parser.add_argument("--watchers", type=int, default=1000)
    arguments = parser.parse_args()
    missed = []

    def say(what, value, unit, target=None, at_least=False):
        good = target is None or (value >= target if at_least else value <= target)
        if not good:
            missed.append(what)
        aim = "" if target is None else f"   (target {'>=' if at_least else '<='} {target:g}{'' if good else ', MISSED'})"
        print(f"{what:46} {value:10.2f} {unit}{aim}", flush=True)

    with tempfile.TemporaryDirectory(prefix="trainyard-bench-") as folder:
        service = Service(pathlib.Path(folder))
        say("start to serving, empty", service.start(), "s")
        say("memory, empty", service.rss_mb(), "MB")
        try:
            with grpc.insecure_channel(f"127.0.0.1:{service.port}") as channel:
                begin = time.monotonic()
                names, tenths = submit(channel, arguments.operations)
                say("submit, all", arguments.operations / (time.monotonic() - begin), "/s", SUBMITS_PER_S, True)
                say("submit, first tenth", arguments.operations / 10 / tenths[0], "/s")
                say("submit, last tenth", arguments.operations / 10 / tenths[-1], "/s", SUBMITS_PER_S, True)
                say(f"memory, {arguments.operations} queued", service.rss_mb(), "MB")
                p50, p99 = ask(channel, names[1])
                say("GetOperation p50", p50, "ms")
                say("GetOperation p99", p99, "ms", GET_P99_MS)
                spawn = multiprocessing.get_context("spawn")
                watching, end = spawn.Event(), spawn.Event()
                chosen = [names[i % len(names)] for i in range(arguments.watchers)]
                watcher = spawn.Process(target=watch, args=(service.port, chosen, watching, end))
                watcher.start()
                watching.wait(60)
                p50, p99 = ask(channel, names[1])
                say(f"GetOperation p50 beside {arguments.watchers} watchers", p50, "ms")
                say(f"GetOperation p99 beside {arguments.watchers} watchers", p99, "ms", GET_P99_MS)
                end.set()
                watcher.join()
            service.kill()
            say(f"restart to serving, {arguments.operations} queued", service.start(), "s", RESTART_S)
        finally:
            service.kill()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
