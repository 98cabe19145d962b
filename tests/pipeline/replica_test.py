"""Two train replicas behind one address: whichever a client reaches, its operation is found."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import threading
import unittest

import house

house.generate_stubs()

import grpc  # noqa: E402
from google.longrunning import operations_pb2, operations_pb2_grpc  # noqa: E402
from google.rpc import error_details_pb2, status_pb2  # noqa: E402
from trainyard.v1 import operation_pb2, operation_pb2_grpc, stage_pb2, train_pb2, train_pb2_grpc  # noqa: E402

import specs  # noqa: E402

KEY = "env:TRAINYARD_REPLICA_TEST_KEY"
REPLICAS = ("r1", "r2")
State = operation_pb2.OperationMetadata
# Exit codes of the command: cancelled, and 64 + the code of a call that failed.
EXIT_CANCELLED = 3
EXIT_UNAVAILABLE = 64 + grpc.StatusCode.UNAVAILABLE.value[0]


class Balancer:
    """One address for several replicas: each new connection goes to the next one, as a TCP load balancer does it."""

    def __init__(self, replicas):
        self.replicas = replicas
        self.turn = 0
        self.reached = []
        self.open = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def aim(self, name):
        """The next connection goes to this replica; then it is the others' turn again."""
        self.turn = [replica.replica for replica in self.replicas].index(name)

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            replica = self.replicas[self.turn % len(self.replicas)]
            self.turn += 1
            self.reached.append(replica.replica)
            server = socket.create_connection(("127.0.0.1", replica.port))
            self.open += [client, server]
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=(source, target), daemon=True).start()

    @staticmethod
    def pump(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def close(self):
        for end in [self.listener, *self.open]:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def metadata_of(operation):
    metadata = operation_pb2.OperationMetadata()
    assert operation.metadata.Unpack(metadata), operation
    return metadata


def error_info(error):
    """The ErrorInfo of a failed call."""
    trailer = dict(error.trailing_metadata())["grpc-status-details-bin"]
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status_pb2.Status.FromString(trailer).details), error
    return info


class ReplicaTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        os.environ[KEY.split(":")[1]] = "the key of the replica test"
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.workspace = cls.folder / "workspace"
        cls.workspace.mkdir()
        house.cli("sample-data", cls.workspace / "parts", "--train", 8, "--val", 2)
        cls.replicas = {name: cls.start_replica(name) for name in REPLICAS}
        cls.balancer = Balancer(list(cls.replicas.values()))
        cls.addClassCleanup(cls.balancer.close)
        # Two by the command, which work; two by a plain client, which wait behind them.
        cls.working = cls.by_owner([cls.start_by_command(f"working_{i}") for i in range(2)])
        cls.waiting = cls.by_owner([cls.start_by_client(f"waiting_{i}") for i in range(2)])

    @classmethod
    def start_replica(cls, name, workspace=None, extra=()):
        replica = house.Service("train", cls.folder / name, workspace or cls.workspace,
                                ["--replica", name, *extra])
        replica.replica = name
        cls.addClassCleanup(replica.stop)
        return replica.start()

    @staticmethod
    def spec():
        raw = 'image_directory_path: "parts/train/images" label_directory_path: "parts/train/labels"'
        text = specs.train("unused", validation="parts/val", epochs=5000, batch=4)
        return text.replace('tfrecords_path: "unused"', raw)

    @classmethod
    def start_by_command(cls, results):
        path = cls.folder / f"{results}.txt"
        path.write_text(cls.spec())
        done = house.cli("ssd", "train", "-e", path, "-r", results, "-k", KEY, "--no-wait",
                         "--endpoint", cls.balancer.address)
        return done.stdout.strip()

    @classmethod
    def start_by_client(cls, results, replica=None):
        request = train_pb2.TrainRequest(stage=stage_pb2.StageInput(
            network="ssd", key=KEY, spec_text=cls.spec(), outputs=[specs.artifact("results", results)]))
        with cls.connect(replica.address if replica else cls.balancer.address) as channel:
            return train_pb2_grpc.TrainServiceStub(channel).Train(request, timeout=20).name

    @classmethod
    def by_owner(cls, names):
        return {name.split("/")[2]: name for name in names}

    @staticmethod
    def connect(address):
        # A connection of its own: channels to one address share one otherwise.
        return grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])

    @contextlib.contextmanager
    def client_at(self, replica):
        """A plain client's channel through the common address that ends at this replica."""
        self.balancer.aim(replica)
        with self.connect(self.balancer.address) as channel:
            grpc.channel_ready_future(channel).result(house.PATIENCE_S)
            self.assertEqual(self.balancer.reached[-1], replica)
            yield channel

    def command(self, replica, *words, **options):
        """`trainyard operations ...` by the common address, which leads it to this replica."""
        self.balancer.aim(replica)
        before = len(self.balancer.reached)
        done = house.cli("operations", *words, "--endpoint", self.balancer.address, **options)
        self.assertEqual(self.balancer.reached[before:before + 1], [replica])
        return done

    @contextlib.contextmanager
    def watching(self, replica, name):
        """`trainyard operations watch --json`, which has shown a state already."""
        self.balancer.aim(replica)
        with subprocess.Popen(
                [str(house.BIN / "trainyard"), "operations", "watch", name, "--json", "--endpoint",
                 self.balancer.address], stdout=subprocess.PIPE, text=True) as watch:
            self.addCleanup(watch.kill)
            first = json.loads(watch.stdout.readline())
            self.assertEqual(self.balancer.reached[-1], replica)
            yield watch, first

    def check_cancelled(self, watch):
        states = [json.loads(line) for line in watch.stdout.read().splitlines()]
        self.assertEqual(watch.wait(house.PATIENCE_S), EXIT_CANCELLED, states)
        self.assertEqual(states[-2]["state"], "CANCELLED")

    def other(self, replica):
        return next(name for name in REPLICAS if name != replica)

    def owned(self):
        return [(replica, name) for names in (self.working, self.waiting) for replica, name in names.items()]

    def test_new_operations_go_round(self):
        self.assertEqual(sorted(self.working), list(REPLICAS))
        self.assertEqual(sorted(self.waiting), list(REPLICAS))
        for replica, name in self.owned():
            self.assertRegex(name, f"^operations/train/{replica}/[0-9a-f]+$")

    def test_get_by_either_replica(self):
        for owner, name in self.owned():
            for asked in REPLICAS:
                with self.subTest(owner=owner, asked=asked):
                    answer = json.loads(self.command(asked, "get", name).stdout)
                    self.assertEqual(answer["name"], name)
                    self.assertEqual(answer["metadata"]["owner_address"], self.replicas[owner].address)

    def test_get_of_what_nobody_has(self):
        for asked in REPLICAS:
            done = self.command(asked, "get", "operations/train/r1/none", check=False)
            self.assertEqual(done.returncode, 64 + grpc.StatusCode.NOT_FOUND.value[0], done.stderr)

    def test_a_plain_client_is_told_the_owner(self):
        for owner, name in self.owned():
            with self.client_at(self.other(owner)) as channel:
                operations = operations_pb2_grpc.OperationsStub(channel)
                watch = operation_pb2_grpc.OperationWatchServiceStub(channel)
                calls = {
                    "get": lambda: operations.GetOperation(
                        operations_pb2.GetOperationRequest(name=name), timeout=20),
                    "wait": lambda: operations.WaitOperation(
                        operations_pb2.WaitOperationRequest(name=name), timeout=20),
                    "cancel": lambda: operations.CancelOperation(
                        operations_pb2.CancelOperationRequest(name=name), timeout=20),
                    "delete": lambda: operations.DeleteOperation(
                        operations_pb2.DeleteOperationRequest(name=name), timeout=20),
                    "watch": lambda: list(watch.WatchOperation(
                        operation_pb2.WatchOperationRequest(name=name), timeout=20)),
                }
                for what, call in calls.items():
                    with self.subTest(owner=owner, call=what):
                        with self.assertRaises(grpc.RpcError) as caught:
                            call()
                        self.assertEqual(caught.exception.code(), grpc.StatusCode.FAILED_PRECONDITION)
                        info = error_info(caught.exception)
                        self.assertEqual(info.reason, "WRONG_REPLICA")
                        self.assertEqual(dict(info.metadata)["replica"], owner)
                        self.assertEqual(dict(info.metadata)["owner"], self.replicas[owner].address)
            with self.connect(info.metadata["owner"]) as channel:
                found = operations_pb2_grpc.OperationsStub(channel).GetOperation(
                    operations_pb2.GetOperationRequest(name=name), timeout=20)
                self.assertEqual(found.name, name)

    def test_watch_and_cancel_through_the_wrong_replica(self):
        for owner in REPLICAS:
            wrong = self.other(owner)
            with self.subTest(owner=owner, asked=wrong):
                # First, so that it does not begin when the other one ends.
                self.command(wrong, "cancel", self.waiting[owner])
                answer = json.loads(self.command(wrong, "get", self.waiting[owner]).stdout)
                self.assertEqual(answer["metadata"]["state"], "CANCELLED")

                worker = self.wait_for_steps(owner)
                with self.watching(wrong, self.working[owner]) as (watch, first):
                    self.assertEqual(first["state"], "RUNNING")
                    self.command(wrong, "cancel", self.working[owner])
                    self.check_cancelled(watch)
                self.assertFalse(pathlib.Path(f"/proc/{worker}").exists(), "the worker has ended")

    def wait_for_steps(self, replica):
        """The process id of the worker of the replica's training, once it trains."""
        with self.connect(self.replicas[replica].address) as channel:
            for answer in operation_pb2_grpc.OperationWatchServiceStub(channel).WatchOperation(
                    operation_pb2.WatchOperationRequest(name=self.working[replica]), timeout=house.PATIENCE_S):
                metadata = metadata_of(answer.operation)
                self.assertFalse(answer.operation.done, answer)
                if metadata.progress.done >= 1:
                    return int(metadata.worker.rsplit(":", 1)[-1])
        return self.fail("the stream ended before a step")

    def test_an_owner_that_dies_and_comes_back_elsewhere(self):
        owner = self.start_replica("r3")
        name = self.start_by_client("orphan", owner)
        with self.watching("r1", name) as (watch, first):
            self.assertEqual(first["owner_address"], owner.address)
            owner.kill()
            for what in ("get", "cancel", "watch"):
                done = self.command("r2", what, name, check=False, timeout=house.PATIENCE_S)
                self.assertEqual(done.returncode, EXIT_UNAVAILABLE, done.stderr)
                self.assertIn(f"replica 'r3' at {owner.address}", done.stderr)
            # The rest goes on as before.
            self.assertEqual(json.loads(self.command("r2", "get", self.working["r1"]).stdout)["name"],
                             self.working["r1"])
            owner.port = None
            owner.start()
            self.command("r1", "cancel", name)
            self.check_cancelled(watch)

    def test_replicas_without_a_common_workspace(self):
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir()
        owner = self.replicas["r1"]
        replica = self.start_replica("r4", elsewhere, ["--peers", f"r1={owner.address}"])
        done = house.cli("operations", "get", self.working["r1"], "--endpoint", replica.address)
        self.assertEqual(json.loads(done.stdout)["name"], self.working["r1"])
        # Nobody told it of this one.
        done = house.cli("operations", "get", self.working["r2"], "--endpoint", replica.address, check=False)
        self.assertEqual(done.returncode, 64 + grpc.StatusCode.FAILED_PRECONDITION.value[0])
        self.assertIn("owned by replica 'r2'; ask there", done.stderr)


if __name__ == "__main__":
    unittest.main()
