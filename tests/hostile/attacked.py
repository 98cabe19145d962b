"""What the rows of tests/hostile share: services to attack, requests, and the questions asked afterwards."""

import contextlib
import os
import pathlib
import resource
import socket
import struct
import tempfile
import time
import unittest
import zlib

import house

house.generate_stubs()

import grpc  # noqa: E402
from google.longrunning import operations_pb2, operations_pb2_grpc  # noqa: E402
from google.rpc import error_details_pb2, status_pb2  # noqa: E402
from grpc import StatusCode  # noqa: E402,F401
from trainyard.v1 import (convert_pb2, convert_pb2_grpc, export_pb2, export_pb2_grpc, operation_pb2,  # noqa: E402
                          operation_pb2_grpc, orchestrator_pb2, orchestrator_pb2_grpc, prune_pb2, prune_pb2_grpc,
                          stage_pb2, train_pb2, train_pb2_grpc)

import specs  # noqa: E402

KEY_NAME = "TRAINYARD_HOSTILE_KEY"
KEY = f"env:{KEY_NAME}"
KEY_TEXT = "the key of the hostile test"
# An answer to a question; a machine may be busy.
ANSWER_S = 30 if house.SANITIZED else 10
State = operation_pb2.OperationMetadata
Run = orchestrator_pb2.Run
SLOW = os.environ.get("TRAINYARD_HOSTILE_ALL") == "1"
slow = unittest.skipUnless(SLOW, "only with --all")

STUBS = {"convert": convert_pb2_grpc.ConvertServiceStub, "train": train_pb2_grpc.TrainServiceStub,
         "prune": prune_pb2_grpc.PruneServiceStub, "export": export_pb2_grpc.ExportServiceStub,
         "orchestrator": orchestrator_pb2_grpc.OrchestratorServiceStub,
         "operations": operations_pb2_grpc.OperationsStub, "watch": operation_pb2_grpc.OperationWatchServiceStub}


def stage(spec=None, key="", inputs=(), outputs=(), **more):
    """Without `spec` there is none; an empty text is one, which some stages refuse."""
    return stage_pb2.StageInput(network="ssd", spec_text=spec, key=key,
                                inputs=[specs.artifact(*pair) for pair in inputs],
                                outputs=[specs.artifact(*pair) for pair in outputs], **more)


def convert_request(root="parts/train", dataset="tfrecords/hostile", **more):
    return convert_pb2.ConvertRequest(
        stage=stage(specs.convert(root, val_split=0), outputs=[("dataset", dataset)]), **more)


def train_request(results, epochs=1, key=KEY, **more):
    raw = 'image_directory_path: "parts/train/images" label_directory_path: "parts/train/labels"'
    text = specs.train("unused", validation="parts/val", epochs=epochs, batch=4)
    return train_pb2.TrainRequest(stage=stage(text.replace('tfrecords_path: "unused"', raw), key,
                                              outputs=[("results", results)]), **more)


def status_of(error):
    trailer = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if trailer:
        return status_pb2.Status.FromString(trailer)
    return status_pb2.Status(code=error.code().value[0], message=error.details())


def info_of(status):
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info):
            break
    return info


def reason_of(status):
    return info_of(status).reason


def metadata_of(operation):
    metadata = operation_pb2.OperationMetadata()
    operation.metadata.Unpack(metadata)
    return metadata


def resident_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0


def worked_s(pid):
    """Seconds of processor time that a process has had; 0 when it is gone."""
    with contextlib.suppress(OSError):
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0


def position(pid, path):
    """How far a process has come in a file that it has open; 0 when it has not."""
    folder = pathlib.Path(f"/proc/{pid}")
    for entry in (folder / "fd").iterdir():
        with contextlib.suppress(OSError):
            if os.readlink(entry) == str(path):
                return int((folder / "fdinfo" / entry.name).read_text().split()[1])
    return 0


def children(pid):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                if int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == pid:
                    found.append(int(entry.name))
    return found


def png(width, height, bits=1):
    """A picture of one colour whose file is tiny."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = bytes(1 + (width * bits + 7) // 8)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)) +
            chunk(b"IDAT", data) + chunk(b"IEND", b""))


def large_pictures(root, count, width=12000, height=8000, ending="jpg"):
    """A data set whose files are small and whose pictures take seconds to decode."""
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    picture = png(width, height)
    for i in range(count):
        (root / "images" / f"{i}.{ending}").write_bytes(picture)
        (root / "labels" / f"{i}.txt").write_text("bolt 0 0 0 1 1 50 3 0 0 0 0 0 0 0\n")


class Silent:
    """Addresses that take connections and say nothing."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"

    def close(self):
        self.listener.close()


class Attacked(unittest.TestCase):
    """Services for one class of rows; after each row all of them answer."""

    names = ("convert",)
    orchestrated = False

    @classmethod
    def setUpClass(cls):
        os.environ[KEY_NAME] = KEY_TEXT
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.house = house.House(folder.name, cls.names)
        cls.enterClassContext(cls.house)
        cls.workspace = cls.house.workspace
        house.cli("sample-data", cls.workspace / "parts", "--train", 16, "--val", 4)
        if cls.orchestrated:
            cls.house.add_orchestrator()

    def service(self, name):
        return self.house.orchestrator if name == "orchestrator" else self.house.services[name]

    def stub(self, name, kind=None):
        channel = self.house.channel(name)
        self.addCleanup(channel.close)
        return STUBS[kind or name](channel)

    def check_alive(self, name):
        """The same process as before still answers questions at once."""
        service = self.service(name)
        self.assertIsNone(service.process.poll(), f"{name} died:\n{service.log()[-2000:]}")
        begun = time.monotonic()
        if name == "orchestrator":
            self.stub(name).ListRuns(orchestrator_pb2.ListRunsRequest(page_size=1), timeout=ANSWER_S)
        with self.assertRaises(grpc.RpcError) as caught:
            self.stub(name, "operations").GetOperation(
                operations_pb2.GetOperationRequest(name=f"operations/{name}/r1/none"), timeout=ANSWER_S)
        self.assertEqual(caught.exception.code(), StatusCode.NOT_FOUND, caught.exception)
        return time.monotonic() - begun

    def tearDown(self):
        for name in [*self.names, *(["orchestrator"] if self.orchestrated else [])]:
            with self.subTest(alive=name):
                try:
                    self.check_alive(name)
                except Exception:
                    # Each row is told by itself.
                    if self.service(name).process.poll() is None:
                        self.service(name).kill()
                    self.service(name).start()
                    raise

    def refused(self, call, request, code, *words, timeout=3 * ANSWER_S):
        """The call is refused with the code and these words, which show that the attack was seen and nothing else
        was in its way; its google.rpc.Status."""
        try:
            answer = call(request, timeout=timeout)
        except grpc.RpcError as error:
            status = status_of(error)
        else:
            # A check whose problems do not fit into a call's status answers with an operation.
            self.assertTrue(getattr(answer, "done", False) and answer.HasField("error"), f"taken: {answer}")
            status = answer.error
        self.check_status(status, code, *words)
        return status

    def check_status(self, status, code, *words):
        self.assertEqual(status.code, code.value[0], status)
        for word in words:
            self.assertIn(word, status.message)

    def get(self, name, operation):
        return self.ask(name, "GetOperation", operations_pb2.GetOperationRequest(name=operation.name))

    def cancel(self, name, operation):
        self.ask(name, "CancelOperation", operations_pb2.CancelOperationRequest(name=operation.name))

    def ask(self, name, method, request, kind="operations"):
        """A question; asked again while its service starts."""
        deadline = time.monotonic() + ANSWER_S
        while True:
            with self.house.channel(name) as channel:
                try:
                    return getattr(STUBS[kind](channel), method)(request, timeout=ANSWER_S)
                except grpc.RpcError as error:
                    if error.code() != StatusCode.UNAVAILABLE or time.monotonic() > deadline:
                        raise
            time.sleep(0.05)

    def pid(self, name):
        return self.service(name).process.pid

    def state(self, name, operation):
        return metadata_of(self.get(name, operation)).state

    def wait(self, name, operation, timeout_s=2 * house.PATIENCE_S):
        def ended():
            found = self.get(name, operation)
            return found if found.done else None
        return house.wait_until(ended, f"{operation.name} ends", timeout_s)

    def succeeded(self, name, operation, timeout_s=2 * house.PATIENCE_S):
        """The StageResult of an operation that must end well."""
        ended = self.wait(name, operation, timeout_s)
        self.assertFalse(ended.HasField("error"), ended.error)
        result = operation_pb2.StageResult()
        self.assertTrue(ended.response.Unpack(result), ended)
        return result

    def failed(self, name, operation, code, *words, timeout_s=2 * house.PATIENCE_S):
        """The error of an operation that was taken, and must end FAILED with the code and these words."""
        ended = self.wait(name, operation, timeout_s)
        self.check_status(ended.error, code, *words)
        self.assertEqual(metadata_of(ended).state, State.FAILED)
        return ended.error

    def cancelled(self, name, operation):
        """The operation, which was asked to stop, ends CANCELLED."""
        ended = self.wait(name, operation)
        self.assertEqual(metadata_of(ended).state, State.CANCELLED, ended)
        return ended

    def check_not_told(self, name, operation, worker):
        """The worker ends, and for some seconds the end of its operation, which cannot be stored, is not told."""
        house.wait_until(lambda: worker not in children(self.pid(name)), "the worker ends", 2 * house.PATIENCE_S)
        untold = time.monotonic() + 2
        while time.monotonic() < untold:
            self.assertEqual(self.state(name, operation), State.RUNNING, "told, and not stored")
            time.sleep(0.1)

    def wait_running(self, name, operation):
        house.wait_until(lambda: self.state(name, operation) in (State.RUNNING, State.SUCCEEDED),
                         f"{operation.name} runs")

    def restart(self, name):
        """SIGTERM must do; then the next process."""
        service = self.service(name)
        begun = time.monotonic()
        service.process.terminate()
        try:
            service.process.wait(20 if not house.SANITIZED else 120)
        except Exception:
            service.kill()
            service.start()
            self.fail(f"{name} did not end within 20 s of SIGTERM")
        service.start()
        return time.monotonic() - begun

    @contextlib.contextmanager
    def limited(self, pid, what, value):
        """A limit of a running process, taken back afterwards."""
        before = resource.prlimit(pid, what)
        resource.prlimit(pid, what, (value, before[1]))
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, what, before)
