"""Calls: requests that are deep or large, keys and inputs that lead to what does not answer, connections without
words."""

import concurrent.futures
import os
import resource
import socket
import subprocess
import time

import attacked
import grpc
import house
from attacked import (ANSWER_S, KEY, StatusCode, convert_pb2, convert_request, prune_pb2, stage, train_request)

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
        for text in ("kitti_config { " * DEEP, "kitti_config < " * DEEP, "target_class_mapping { " * DEEP):
            self.refused(self.stub("convert").Convert, convert_pb2.ConvertRequest(
                stage=stage(text, outputs=[("dataset", "deep")]), validate_only=True), StatusCode.INVALID_ARGUMENT)

    def test_deep_spec_of_train(self):
        request = train_request("deep", validate_only=True)
        request.stage.spec_text = "training_config { " * DEEP
        self.refused(self.stub("train").Train, request, StatusCode.INVALID_ARGUMENT)

    def test_deep_values_and_overrides(self):
        for override in ("a." * DEEP + "b = 1", "training_config = " + "{ a: " * DEEP, "x = " + "[" * 100000,
                         "training_config = {" + "training_config {" * DEEP):
            request = train_request("deep", validate_only=True)
            request.stage.overrides.append(override)
            self.refused(self.stub("train").Train, request, StatusCode.INVALID_ARGUMENT)
        request = train_request("deep", validate_only=True)
        request.stage.spec_text = request.stage.spec_text.replace(
            '"[1.0, 2.0, 0.5]"', '"' + "[" * DEEP + "1" + "]" * DEEP + '"')
        self.refused(self.stub("train").Train, request, StatusCode.INVALID_ARGUMENT)

    def test_deep_spec_in_a_pipeline(self):
        text = "stages:\n  - name: t\n    kind: train\n    spec: |\n      " + "training_config { " * DEEP + "\n"
        self.refused(self.stub("orchestrator").StartRun,
                     attacked.orchestrator_pb2.StartRunRequest(pipeline=text, validate_only=True),
                     StatusCode.INVALID_ARGUMENT)

    def test_deep_spec_of_the_command(self):
        path = self.workspace / "deep.txt"
        path.write_text("training_config { " * DEEP)
        done = house.cli("spec", "check", path, check=False)
        self.assertIn(done.returncode, (1, 2), done.stderr[-300:])

    def test_garbage_on_the_socket(self):
        for garbage in (b"\0" * 65536, os.urandom(65536), b"GET / HTTP/1.1\r\n\r\n",
                        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + os.urandom(4096)):
            for name in self.names:
                with socket.create_connection(("127.0.0.1", self.service(name).port)) as connection:
                    connection.sendall(garbage)

    def test_garbage_in_messages(self):
        for name, method in (("convert", "trainyard.v1.ConvertService/Convert"), ("train", "trainyard.v1.TrainService/Train"),
                             ("orchestrator", "trainyard.v1.OrchestratorService/StartRun")):
            with self.house.channel(name) as channel:
                for garbage in (b"\xff" * 100, b"\x0a" * 1000, os.urandom(1000)):
                    with self.assertRaises(grpc.RpcError):
                        channel.unary_unary(f"/{method}")(garbage, timeout=ANSWER_S)

    def test_paths_that_leave_the_workspace(self):
        for path in ("../out", "/etc/passwd", "a/../../b", "/proc/self/environ", "/dev/zero", "file:///etc/passwd",
                     "http://host/x", "//etc/passwd"):
            request = convert_request(dataset=path)
            self.refused(self.stub("convert").Convert, request, StatusCode.PERMISSION_DENIED, StatusCode.INVALID_ARGUMENT)


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
            self.assertIn(error.code(), (StatusCode.INVALID_ARGUMENT, StatusCode.FAILED_PRECONDITION), error)
            self.assertIn("key", error.details())
        self.assertLess(self.restart("prune"), 15)

    def test_pipelines_whose_spec_is_a_fifo_or_device(self):
        os.mkfifo(self.workspace / "fifo.txt")
        text = "services: {train: \"127.0.0.1:1\"}\nstages:\n  - {name: t, kind: train, spec: fifo.txt}\n"
        requests = [attacked.orchestrator_pb2.StartRunRequest(pipeline=text, validate_only=True)] * 20
        calls = self.start_together("orchestrator", "StartRun", requests)
        self.assertLess(self.check_alive("orchestrator"), 2)
        for call in calls:
            error = call.exception(3 * ANSWER_S)
            self.assertEqual(error.code(), StatusCode.INVALID_ARGUMENT, error)
            self.assertIn("fifo.txt", error.details())
        self.assertLess(self.restart("orchestrator"), 15)

    def test_pipelines_whose_spec_is_huge(self):
        with open(self.workspace / "huge.txt", "wb") as file:
            file.truncate(20 << 30)
        text = "services: {train: \"127.0.0.1:1\"}\nstages:\n  - {name: t, kind: train, spec: huge.txt}\n"
        status = self.refused(self.stub("orchestrator").StartRun,
                              attacked.orchestrator_pb2.StartRunRequest(pipeline=text), StatusCode.INVALID_ARGUMENT)
        self.assertIn("huge.txt", status.message)

    def test_digests_of_huge_inputs(self):
        paths = []
        for i in range(4):
            paths.append(f"huge{i}.tlt")
            with open(self.workspace / paths[-1], "wb") as file:
                file.truncate(20 << 30)
        requests = [prune_pb2.PruneRequest(stage=stage(key=KEY, outputs=[("model", f"huge-out{i}.tlt")]),
                                           validate_only=True) for i in range(4)]
        for request, path in zip(requests, paths):
            request.stage.inputs.append(attacked.specs.artifact("model", path))
            request.stage.inputs[0].sha256 = "0" * 64
        calls = self.start_together("prune", "Prune", requests)
        time.sleep(0.5)  # They are under way, or answered.
        self.assertLess(self.check_alive("prune"), 2)
        for call in calls:
            call.cancel()
        self.assertLess(self.restart("prune"), 15)

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
            self.assertIn(silent.address, error.details())
        self.assertLess(time.monotonic() - begun, 2 * ANSWER_S)

    def test_a_refused_call_does_not_show_its_key(self):
        secret = "literal-secret-of-a-call"
        request = prune_pb2.PruneRequest(stage=stage(key=secret, inputs=[("model", f"{secret}.tlt")],
                                                     outputs=[("model", "never.tlt")]))
        status = self.refused(self.stub("prune").Prune, request, StatusCode.NOT_FOUND, StatusCode.INVALID_ARGUMENT)
        self.assertNotIn(secret, status.SerializeToString().decode(errors="replace"))
        self.assertNotIn(secret, self.service("prune").log())
        pipeline = f"stages: [{{name: a, kind: {secret}}}]"
        status = self.refused(self.stub("orchestrator").StartRun, attacked.orchestrator_pb2.StartRunRequest(
            pipeline=pipeline, key=secret), StatusCode.INVALID_ARGUMENT)
        self.assertNotIn(secret, status.SerializeToString().decode(errors="replace"))
        self.assertNotIn(secret, self.service("orchestrator").log())


class Connections(attacked.Attacked):
    """Connections that nobody speaks on."""

    def test_more_idle_connections_than_descriptors(self):
        service = self.service("convert")
        pid = service.process.pid
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (256, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))
        idle = []
        for _ in range(300):
            try:
                idle.append(socket.create_connection(("127.0.0.1", service.port), timeout=2))
            except OSError:
                break
        for connection in idle:
            connection.close()
        # Either it serves again at once, or it ended, so that a supervisor starts it again.
        house.wait_until(lambda: service.process.poll() is not None or healthy(service), "convert serves or ends", 20)
        if service.process.poll() is not None:
            self.assertIn("listen", service.log())
            service.start()

    def test_many_calls_with_one_request_id(self):
        stub = self.stub("convert")
        request = convert_request(request_id="5f7b3a39-6f0c-4a52-9d1b-b5e9a4127d1c")
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            names = set(pool.map(lambda _: stub.Convert(request, timeout=ANSWER_S).name, range(64)))
        self.assertEqual(len(names), 1)

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
            self.assertIn("0.0.0.0", (folder / "log").read_text())
            self.assertRegex((folder / "log").read_text(), "(?i)warn")
        finally:
            process.terminate()
            process.wait(20)
