"""Calls: requests that are deep or large, keys and inputs that lead to what does not answer, connections without
words."""

import concurrent.futures
import contextlib
import os
import random
import resource
import socket
import subprocess
import time

import attacked
import grpc
import house
from attacked import (ANSWER_S, KEY, StatusCode, convert_pb2, convert_request, operations_pb2, prune_pb2, stage,
                      train_request)

DEEP = 10000


def healthy(service):
    done = subprocess.run([str(house.BIN / f"trainyard-{service.name}"), "healthcheck", "--addr", service.address,
                           "--connect-timeout", "5s", "--rpc-timeout", "5s"], capture_output=True)
    return done.returncode == 0


class DeepCalls(attacked.Attacked):
    """Texts whose readers could run out of stack."""
    names = ("convert", "train")
    orchestrated = True

    def test_deep_spec_of_convert(self):
        for opening, words in (("kitti_config { ", "is not closed; expected '}'"),
                               ("kitti_config < ", "is not closed; expected '>'"),
                               ("target_class_mapping { ", "target_class_mapping is more than")):
            self.refused(self.stub("convert").Convert, convert_pb2.ConvertRequest(
                stage=stage(opening * DEEP, outputs=[("dataset", "deep")]), validate_only=True),
                StatusCode.INVALID_ARGUMENT, "levels deep", words)

    def test_deep_spec_of_train(self):
        request = train_request("deep", validate_only=True)
        request.stage.spec_text = "training_config { " * DEEP
        self.refused(self.stub("train").Train, request, StatusCode.INVALID_ARGUMENT,
                     "training_config is more than 64 levels deep")

    def test_deep_values_and_overrides(self):
        for override, words in (
                ("training_config." * DEEP + "num_epochs = 1", "training_config is not a field of TrainingConfig"),
                ("training_config = " + "{ learning_rate: " * DEEP, "levels deep"),
                ("training_config = {" + "training_config {" * DEEP, "levels deep"),
                ("dataset_config.data_sources = " + "[" * 100000, "data_sources[0] is followed by '['"),
                ('ssd_config.scales = "' + "[" * DEEP + "]" * DEEP + '"', "more than 32 levels")):
            with self.subTest(override=override[:40]):
                request = train_request("deep", validate_only=True)
                request.stage.overrides.append(override)
                self.refused(self.stub("train").Train, request, StatusCode.INVALID_ARGUMENT, words)
        request = train_request("deep", validate_only=True)
        request.stage.spec_text = request.stage.spec_text.replace(
            '"[1.0, 2.0, 0.5]"', '"' + "[" * DEEP + "1" + "]" * DEEP + '"')
        self.refused(self.stub("train").Train, request, StatusCode.INVALID_ARGUMENT, "more than 32 levels",
                     "ssd_config.aspect_ratios_global")

    def test_deep_spec_in_a_pipeline(self):
        text = "stages:\n  - name: t\n    kind: train\n    spec: |\n      " + "training_config { " * DEEP + "\n"
        status = self.refused(self.stub("orchestrator").StartRun,
                              attacked.orchestrator_pb2.StartRunRequest(pipeline=text, validate_only=True),
                              StatusCode.INVALID_ARGUMENT, "training_config.training_config is a field of Experiment")
        # The message is cut; there are two problems for each level that was looked at.
        self.assertGreater(int(attacked.info_of(status).metadata["problemCount"]), 100)

    def test_deep_spec_of_the_command(self):
        path = self.workspace / "deep.txt"
        path.write_text("training_config { " * DEEP)
        done = house.cli("spec", "check", path, "--kind", "ssd", check=False)
        self.assertEqual(done.returncode, 1, done.stderr[-300:])
        self.assertIn("levels deep", done.stderr)

    def test_garbage_on_the_socket(self):
        chance = random.Random(1)
        for garbage in (b"\0" * 65536, chance.randbytes(65536), b"GET / HTTP/1.1\r\n\r\n",
                        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + chance.randbytes(4096)):
            for name in [*self.names, "orchestrator"]:
                with self.subTest(service=name, garbage=garbage[:20]):
                    self.check_hung_up(name, garbage)

    def check_hung_up(self, name, garbage):
        """The service ends a connection that speaks so."""
        with socket.create_connection(("127.0.0.1", self.service(name).port), timeout=ANSWER_S) as connection:
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                connection.sendall(garbage)
                while connection.recv(65536):
                    pass

    def test_garbage_in_messages(self):
        for name, method in (("convert", "trainyard.v1.ConvertService/Convert"),
                             ("train", "trainyard.v1.TrainService/Train"),
                             ("orchestrator", "trainyard.v1.OrchestratorService/StartRun")):
            with self.house.channel(name) as channel:
                call = channel.unary_unary(f"/{method}")
                # gRPC's own word for what it cannot read is the one for a method that is not there; it is there.
                for message, code in ((b"", StatusCode.INVALID_ARGUMENT), (b"\xff" * 100, StatusCode.UNIMPLEMENTED),
                                      (b"\x0a" * 1000, StatusCode.UNIMPLEMENTED)):
                    with self.subTest(service=name, message=message[:2]):
                        with self.assertRaises(grpc.RpcError) as caught:
                            call(message, timeout=ANSWER_S)
                        self.assertEqual(caught.exception.code(), code, caught.exception)

    def test_paths_that_leave_the_workspace(self):
        for path in ("../out", "/etc/passwd", "a/../../b", "/proc/self/environ", "/dev/zero", "file:///etc/passwd",
                     "//etc/passwd"):
            self.refused(self.stub("convert").Convert, convert_request(dataset=path), StatusCode.PERMISSION_DENIED,
                         f"stage.outputs[dataset] '{path}' leaves the workspace")
        self.refused(self.stub("convert").Convert, convert_request(dataset="http://host/x"),
                     StatusCode.INVALID_ARGUMENT, "stage.outputs[dataset] 'http://host/x' has the scheme 'http://'")


class SlowCalls(attacked.Attacked):
    """What a call waits for must not keep others waiting, nor the process from ending."""
    names = ("convert", "prune")
    orchestrated = True

    def start_together(self, name, call, requests):
        """The calls' futures, all under way; their deadlines do not end the work of an unmended service."""
        method = getattr(self.stub(name), call)
        return [method.future(request, timeout=3 * ANSWER_S) for request in requests]

    def test_keys_that_are_fifos(self):
        os.mkfifo(self.workspace / "key")
        (self.workspace / "m.tlt").write_bytes(b"x" * 1000)
        requests = [prune_pb2.PruneRequest(stage=stage(key=f"file:{self.workspace}/key", inputs=[("model", "m.tlt")],
                                                       outputs=[("model", f"fifo{i}.tlt")])) for i in range(8)]
        calls = self.start_together("prune", "Prune", requests)
        self.assertLess(self.check_alive("prune"), 2)
        for call in calls:
            error = call.exception(3 * ANSWER_S)
            self.assertEqual(error.code(), StatusCode.FAILED_PRECONDITION, error)
            self.assertIn("key' is a FIFO", error.details())
        self.assertLess(self.restart("prune"), 15)

    def test_pipelines_whose_spec_is_a_fifo(self):
        os.mkfifo(self.workspace / "fifo.txt")
        text = "services: {train: \"127.0.0.1:1\"}\nstages:\n  - {name: t, kind: train, spec: fifo.txt}\n"
        requests = [attacked.orchestrator_pb2.StartRunRequest(pipeline=text, validate_only=True)] * 20
        calls = self.start_together("orchestrator", "StartRun", requests)
        self.assertLess(self.check_alive("orchestrator"), 2)
        for call in calls:
            error = call.exception(3 * ANSWER_S)
            self.assertEqual(error.code(), StatusCode.INVALID_ARGUMENT, error)
            self.assertIn("fifo.txt' is a FIFO", error.details())
        self.assertLess(self.restart("orchestrator"), 15)

    def test_pipelines_whose_spec_is_huge(self):
        with open(self.workspace / "huge.txt", "wb") as file:
            file.truncate(20 << 30)
        text = "services: {train: \"127.0.0.1:1\"}\nstages:\n  - {name: t, kind: train, spec: huge.txt}\n"
        self.refused(self.stub("orchestrator").StartRun, attacked.orchestrator_pb2.StartRunRequest(pipeline=text),
                     StatusCode.INVALID_ARGUMENT, "huge.txt' has 21474836480 bytes; at most 4194304 are read")

    def start_with_digest(self, path, size):
        """A pruning of a file that holds nothing, whose digest is asked for first."""
        with open(self.workspace / path, "wb") as file:
            file.truncate(size)
        request = prune_pb2.PruneRequest(stage=stage(key=KEY, inputs=[("model", path)],
                                                     outputs=[("model", f"out-{path}")]))
        request.stage.inputs[0].sha256 = "0" * 64
        return self.stub("prune").Prune(request, timeout=ANSWER_S)

    def test_digests_of_huge_inputs(self):
        self.failed("prune", self.start_with_digest("small.tlt", 1000), StatusCode.DATA_LOSS, "small.tlt", "0" * 64)
        operations = [self.start_with_digest(f"huge{i}.tlt", 20 << 30) for i in range(4)]

        def is_read(i):
            return attacked.position(self.pid("prune"), self.workspace / f"huge{i}.tlt")

        house.wait_until(lambda: is_read(0), "the first digest is computed")
        self.assertLess(self.check_alive("prune"), 2)
        self.cancel("prune", operations[0])
        begun = time.monotonic()
        self.cancelled("prune", operations[0])
        self.assertLess(time.monotonic() - begun, 2 if not house.SANITIZED else 12)
        house.wait_until(lambda: is_read(1), "the second digest is computed")
        self.assertLess(self.restart("prune"), 15)
        house.wait_until(lambda: is_read(1), "the second digest is computed again")
        for operation in operations[1:]:
            self.cancel("prune", operation)
        for operation in operations[1:]:
            self.cancelled("prune", operation)

    def test_services_that_are_silent(self):
        silent = attacked.Silent()
        self.addCleanup(silent.close)
        text = (f"services: {{convert: \"{silent.address}\"}}\nstages:\n  - name: c\n    kind: convert\n    spec: |\n" +
                "".join(f"      {line}\n" for line in attacked.specs.convert("parts/train").splitlines()))
        requests = [attacked.orchestrator_pb2.StartRunRequest(pipeline=text)] * 12
        begun = time.monotonic()
        calls = self.start_together("orchestrator", "StartRun", requests)
        self.assertLess(self.check_alive("orchestrator"), 2)
        for call in calls:
            error = call.exception(3 * ANSWER_S)
            self.assertEqual(error.code(), StatusCode.UNAVAILABLE, error)
            self.assertIn(f"'{silent.address}': nobody answered", error.details())
        self.assertLess(time.monotonic() - begun, 2 * ANSWER_S)

    def test_a_refused_call_does_not_show_its_key(self):
        secret = "literal-secret-of-a-call"
        request = prune_pb2.PruneRequest(stage=stage(key=secret, inputs=[("model", f"{secret}.tlt")],
                                                     outputs=[("model", "never.tlt")]))
        status = self.refused(self.stub("prune").Prune, request, StatusCode.NOT_FOUND, "'[redacted].tlt' is not there")
        self.assertNotIn(secret, status.SerializeToString().decode(errors="replace"))
        self.assertNotIn(secret, self.service("prune").log())
        pipeline = f"stages: [{{name: a, kind: {secret}}}]"
        status = self.refused(self.stub("orchestrator").StartRun, attacked.orchestrator_pb2.StartRunRequest(
            pipeline=pipeline, key=secret), StatusCode.INVALID_ARGUMENT, "a.kind is '[redacted]'")
        self.assertNotIn(secret, status.SerializeToString().decode(errors="replace"))
        self.assertNotIn(secret, self.service("orchestrator").log())


class Connections(attacked.Attacked):
    """Connections that nobody speaks on."""

    def test_more_idle_connections_than_descriptors(self):
        service = self.service("convert")
        said = len(service.log())
        with self.limited(self.pid("convert"), resource.RLIMIT_NOFILE, 256), contextlib.ExitStack() as idle:
            for _ in range(300):
                idle.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=2))
            house.wait_until(lambda: "connections are refused, since too many files are open" in service.log()[said:],
                             "convert refuses connections")
            idle.close()
            house.wait_until(lambda: healthy(service), "convert serves again", 20)

    def test_many_calls_with_one_request_id(self):
        stub = self.stub("convert")
        request = convert_request(request_id="5f7b3a39-6f0c-4a52-9d1b-b5e9a4127d1c")
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            operations = list(pool.map(lambda _: stub.Convert(request, timeout=ANSWER_S), range(64)))
        self.assertEqual(len({operation.name for operation in operations}), 1)
        self.succeeded("convert", operations[0])
        listed = self.ask("convert", "ListOperations", operations_pb2.ListOperationsRequest(page_size=1000)).operations
        self.assertEqual([operation.name for operation in listed], [operations[0].name])

    def test_listening_for_everybody_is_warned_of(self):
        open_wide = house.Service("convert", self.house.folder / "wide", self.workspace, ["--replica", "wide"])
        folder = open_wide.folder
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(
                [str(house.BIN / "trainyard-convert"), "--listen", "0.0.0.0:0", "--workspace", str(self.workspace),
                 "--port-file", str(folder / "port"), "--state-dir", str(folder / "state"), "--replica", "wide"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            house.wait_until((folder / "port").exists, "convert serves")
            self.assertRegex((folder / "log").read_text(), r"(?im)^.*warn.*0\.0\.0\.0")
        finally:
            process.terminate()
            process.wait(20)
