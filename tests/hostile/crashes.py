"""Kills at bad moments, and work that kills who does it."""

import concurrent.futures
import contextlib
import os
import pathlib
import resource
import signal
import time

import attacked
import grpc
import house
import sealing
from attacked import (ANSWER_S, KEY, KEY_TEXT, State, StatusCode, convert_pb2, convert_request, export_pb2,
                      operation_pb2, prune_pb2, reason_of, slow, stage, train_request)


class Kills(attacked.Attacked):
    names = ("convert", "train")

    def workers(self):
        return attacked.children(self.service("train").process.pid)

    def journal(self, results):
        return house.read_journal(self.workspace / results / ".trainyard")

    def test_an_operation_that_never_ends_is_given_up(self):
        """A poison must not kill its service at every restart for ever."""
        operation = self.stub("train").Train(train_request("poison", epochs=5000), timeout=ANSWER_S)
        train = self.service("train")
        for _ in range(6):
            found = self.get("train", operation)
            if found.done:
                break
            attempt = attacked.metadata_of(found).attempt
            self.wait_running("train", operation)
            # A service that dies of its work dies before it has got anywhere.
            train.kill()
            train.start()
            house.wait_until(lambda: self.get("train", operation).done or
                             attacked.metadata_of(self.get("train", operation)).attempt > attempt, "another attempt")
        found = self.get("train", operation)
        if not found.done:
            self.cancel("train", operation)
            self.wait("train", operation)
            self.fail("works on after six kills")
        self.assertEqual(reason_of(found.error), "SERVICE_CRASHED", found.error)

    def test_streams_opened_while_the_service_starts(self):
        operations = [self.stub("train").Train(train_request(f"streams{i}", epochs=5000), timeout=ANSWER_S)
                      for i in range(20)]
        train = self.service("train")
        train.kill()

        def watch(operation):
            """The last state that a stream opened as early as possible tells."""
            last, deadline = None, time.monotonic() + 60
            while time.monotonic() < deadline:
                with grpc.insecure_channel(train.address) as channel, contextlib.suppress(grpc.RpcError):
                    stub = attacked.STUBS["watch"](channel)
                    for answer in stub.WatchOperation(
                            operation_pb2.WatchOperationRequest(name=operation.name),
                            timeout=deadline - time.monotonic()):
                        last = answer.operation
                    if last is not None and last.done:
                        return last
                time.sleep(0.01)
            return last

        with concurrent.futures.ThreadPoolExecutor(len(operations)) as pool:
            watches = [pool.submit(watch, operation) for operation in operations]
            train.start()
            for operation in operations:
                self.cancel("train", operation)
            for watched in watches:
                last = watched.result()
                self.assertTrue(last is not None and last.done, "a stream fell silent")

    def kill_early(self, delay, results):
        operation = self.stub("train").Train(train_request(results), timeout=ANSWER_S)
        train = self.service("train")
        house.wait_until(self.workers, "a worker starts")
        time.sleep(delay)  # The moment is the attack.
        train.kill()
        train.start()
        ended = self.wait("train", operation)
        self.assertFalse(ended.HasField("error"), f"killed after {delay} s: {ended.error}")

    def test_a_kill_while_the_worker_starts(self):
        self.kill_early(0.3, "early")

    @slow
    def test_kills_at_every_moment_of_a_worker_start(self):
        for i in range(12):
            self.kill_early(i * 0.15, f"early{i}")

    def test_a_worker_shows_neither_key_nor_secrets(self):
        os.environ["TRAINYARD_OTHER_SECRET"] = "a secret of the service"
        try:
            self.restart("train")
        finally:
            del os.environ["TRAINYARD_OTHER_SECRET"]
        for i, key in enumerate((KEY, "a-literal-key-of-a-call")):
            operation = self.stub("train").Train(train_request(f"keys{i}", epochs=5000, key=key), timeout=ANSWER_S)
            [worker] = house.wait_until(self.workers, "a worker starts")
            house.wait_until(lambda i=i: self.journal(f"keys{i}"), "the worker works")
            for name in ("environ", "cmdline"):
                text = pathlib.Path(f"/proc/{worker}/{name}").read_text(errors="replace")
                for secret in (KEY_TEXT, "a-literal-key-of-a-call", "a secret of the service"):
                    with self.subTest(where=name, key=key, secret=secret):
                        self.assertNotIn(secret, text)
            for path in (self.workspace / f"keys{i}").rglob("*"):
                if path.is_file():
                    self.assertNotIn(b"a-literal-key-of-a-call", path.read_bytes(), path)
            self.cancel("train", operation)
            self.wait("train", operation)
        self.assertNotIn("a-literal-key-of-a-call", self.service("train").log())

    def test_a_forged_end_is_not_believed(self):
        from trainyard.worker.v1 import worker_pb2

        operation = self.stub("train").Train(train_request("forged", epochs=5000), timeout=ANSWER_S)
        [worker] = house.wait_until(self.workers, "a worker starts")
        events = house.wait_until(lambda: self.journal("forged"), "the worker works")
        os.kill(worker, signal.SIGSTOP)
        events = self.journal("forged") or events
        forged = worker_pb2.WorkerEvent(sequence=events[-1].sequence + 1, fencing_epoch=events[-1].fencing_epoch)
        forged.finished.outputs.add(name="last", uri="/etc/passwd", sha256="0" * 64, kind="tlt")
        forged.finished.metrics.add(name="mAP", value=0.99)
        payload = forged.SerializeToString()
        length = len(payload).to_bytes(8, "little")
        [journal] = (self.workspace / "forged").rglob("journal.tfrecord")
        with open(journal, "ab") as file:
            file.write(length + house.masked_crc(length).to_bytes(4, "little") + payload +
                       house.masked_crc(payload).to_bytes(4, "little"))
        os.kill(worker, signal.SIGKILL)
        ended = self.wait("train", operation)
        self.assertTrue(ended.HasField("error"), f"a forged end is believed: {ended}")

    def test_links_that_lead_out_of_the_workspace(self):
        outside = self.house.folder / "elsewhere"
        outside.mkdir()
        for name in (".trainyard", "weights"):
            results = self.workspace / f"linked{name}"
            results.mkdir()
            (results / name).symlink_to(outside)
            with contextlib.suppress(grpc.RpcError):
                operation = self.stub("train").Train(train_request(f"linked{name}"), timeout=ANSWER_S)
                self.wait("train", operation)
        self.assertEqual([str(path) for path in outside.rglob("*")], [])

    def test_a_state_folder_of_another_service(self):
        operation = self.stub("train").Train(train_request("other", epochs=5000), timeout=ANSWER_S)
        train = self.service("train")
        train.stop()
        other = house.Service("prune", self.house.folder / "other", self.workspace)
        (other.folder / "prune.state").symlink_to(train.folder / "train.state")
        try:
            other.start()
        except AssertionError as ended:
            self.assertIn("train", str(ended))
        else:
            other.stop()
        train.start()
        self.assertFalse(self.get("train", operation).HasField("error"), "another service ended it")
        self.cancel("train", operation)
        self.wait("train", operation)

    @slow
    def test_a_worker_that_is_stopped(self):
        operation = self.stub("train").Train(train_request("stopped", epochs=5000), timeout=ANSWER_S)
        [worker] = house.wait_until(self.workers, "a worker starts")
        house.wait_until(lambda: self.journal("stopped"), "the worker works")
        os.kill(worker, signal.SIGSTOP)
        ended = self.wait("train", operation, 240)
        self.assertTrue(ended.HasField("error"))


class Poison(attacked.Attacked):
    """Files that crash who reads them."""
    names = ("convert", "train", "prune", "export")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.house.channel("train") as channel:
            operation = attacked.STUBS["train"](channel).Train(train_request("trained"), timeout=ANSWER_S)
            watch = attacked.STUBS["watch"](channel).WatchOperation(
                operation_pb2.WatchOperationRequest(name=operation.name), timeout=2 * house.PATIENCE_S)
            last = [answer.operation for answer in watch][-1]
        assert last.done and not last.HasField("error"), last
        [model] = (cls.workspace / "trained" / "weights").glob("*_epoch_001.tlt")
        cls.kind, cls.sections = sealing.unseal(model, KEY_TEXT)

    def poison(self, name, harm):
        import onnx

        model = onnx.load_from_string(self.sections["model.onnx"])
        harm(next(node for node in model.graph.node if node.op_type == "Conv"), onnx.helper)
        sections = {"record": self.sections["record"], "model.onnx": model.SerializeToString()}
        sealing.seal(self.workspace / name, KEY_TEXT, self.kind, sections)

    @staticmethod
    def setting(name, value):
        def harm(node, helper):
            for attribute in [found for found in node.attribute if found.name == name]:
                node.attribute.remove(attribute)
            node.attribute.append(helper.make_attribute(name, value))
        return harm

    def check_refused(self, service, operation_or_error):
        if isinstance(operation_or_error, grpc.RpcError):
            return
        ended = self.wait(service, operation_or_error)
        self.assertTrue(ended.HasField("error"), "a model that cannot be run was taken")
        self.assertTrue(ended.error.message)
        self.assertNotIn(ended.error.code, (StatusCode.INTERNAL.value[0], StatusCode.UNKNOWN.value[0]), ended.error)

    def call(self, call, request):
        try:
            return call(request, timeout=ANSWER_S)
        except grpc.RpcError as error:
            return error

    def test_convolutions_that_divide_by_zero(self):
        for name, value in (("strides", [0, 0]), ("group", 0), ("group", -1), ("dilations", [0, 0]),
                            ("kernel_shape", [1 << 40, 1]), ("pads", [-(1 << 60)] * 4)):
            file = f"poison-{name}-{str(value).strip('[]').split(',')[0]}.tlt"
            self.poison(file, self.setting(name, value))
            with self.subTest(attribute=name, value=value, service="prune"):
                self.check_refused("prune", self.call(self.stub("prune").Prune, prune_pb2.PruneRequest(
                    stage=stage(key=KEY, inputs=[("model", file)], outputs=[("model", f"pruned-{file}")]))))
                self.check_alive("prune")
            with self.subTest(attribute=name, value=value, service="export"):
                self.check_refused("export", self.call(self.stub("export").Export, export_pb2.ExportRequest(
                    stage=stage(key=KEY, inputs=[("model", file)], outputs=[("model", f"exported-{file}.etlt")]))))
                self.check_alive("export")

    def test_pictures_of_a_hundred_megapixels(self):
        root = self.workspace / "large"
        (root / "images").mkdir(parents=True)
        (root / "labels").mkdir()
        picture = attacked.png(10000, 10000)
        self.assertLess(len(picture), 20000)
        for i in range(4):
            (root / "images" / f"{i}.png").write_bytes(picture)
            (root / "labels" / f"{i}.txt").write_text("bolt 0 0 0 1 1 50 50 0 0 0 0 0 0 0\n")
        text = ('random_seed: 1 output_image_width: 128 output_image_height: 128 output_image_channel: 3 '
                'image_extension: ".png" dataset_config { image_path: "images" label_path: "labels" }')
        operation = self.call(self.stub("convert").Augment, convert_pb2.AugmentRequest(
            stage=stage(text, inputs=[("root", "large")], outputs=[("dataset", "augmented")])))
        if not isinstance(operation, grpc.RpcError):
            self.wait("convert", operation)
        peak = house.peak_memory_mib(self.service("convert").process.pid)
        self.assertLess(peak, 200, "the service itself decodes pictures")
        innocent = self.wait("convert", self.stub("convert").Convert(convert_request(), timeout=ANSWER_S))
        self.assertFalse(innocent.HasField("error"), innocent.error)

    def test_a_picture_wider_than_a_short(self):
        root = self.workspace / "wide"
        (root / "images").mkdir(parents=True)
        (root / "labels").mkdir()
        for i in range(2):
            (root / "images" / f"{i}.png").write_bytes(attacked.png(33000, 4))
            (root / "labels" / f"{i}.txt").write_text("bolt 0 0 0 1 1 3 3 0 0 0 0 0 0 0\n")
        text = ('random_seed: 1 output_image_width: 128 output_image_height: 128 output_image_channel: 3 '
                'image_extension: ".png" dataset_config { image_path: "images" label_path: "labels" }')
        operation = self.call(self.stub("convert").Augment, convert_pb2.AugmentRequest(
            stage=stage(text, inputs=[("root", "wide")], outputs=[("dataset", "augmented-wide")])))
        message = (operation.details() if isinstance(operation, grpc.RpcError)
                   else self.wait("convert", operation).error.message)
        for word in ("OpenCV", "Assertion", "assert"):
            self.assertNotIn(word, message)

    def test_files_may_not_grow(self):
        """A quota that sends SIGXFSZ."""
        with self.limited("convert", resource.RLIMIT_FSIZE, 100 * 1024):
            operation = self.call(self.stub("convert").Convert, convert_request(dataset="tfrecords/limited"))
            if not isinstance(operation, grpc.RpcError):
                house.wait_until(lambda: self.get("convert", operation).done or
                                 attacked.metadata_of(self.get("convert", operation)).state == State.RUNNING, "it runs")
                time.sleep(2)  # It may not end while its end cannot be stored.
            self.check_alive("convert")
        if not isinstance(operation, grpc.RpcError):
            self.wait("convert", operation)
