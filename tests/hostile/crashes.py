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
                      operation_pb2, prune_pb2, reason_of, slow, stage, train_pb2, train_request)


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
                self.assertEqual(attacked.metadata_of(last).state, State.CANCELLED, last)

    def kill_early(self, delay, results):
        operation = self.stub("train").Train(train_request(results), timeout=ANSWER_S)
        train = self.service("train")
        house.wait_until(self.workers, "a worker starts")
        time.sleep(delay)  # The moment is the attack.
        works = bool(self.workers())  # Else a fast machine is through already.
        train.kill()
        train.start()
        self.succeeded("train", operation)
        attempt = attacked.metadata_of(self.get("train", operation)).attempt
        self.assertEqual(attempt, 2 if works else 1, f"the kill after {delay} s")

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
        self.assertIn("a secret of the service", self.shown(self.pid("train"), "environ"))
        for i, (key, text) in enumerate(((KEY, KEY_TEXT), ("a-literal-key-of-a-call", "a-literal-key-of-a-call"))):
            results = self.workspace / f"keys{i}"
            operation = self.stub("train").Train(train_request(results.name, epochs=5000, key=key), timeout=ANSWER_S)
            [worker] = house.wait_until(self.workers, "a worker starts")
            models = house.wait_until(lambda results=results: sorted(results.glob("weights/ssd_*_epoch_*.tlt")),
                                      "the worker writes a model")
            for name, known in (("environ", "PATH="), ("cmdline", "--job")):
                shown = self.shown(worker, name)
                self.assertIn(known, shown)
                for secret in (KEY_TEXT, "a-literal-key-of-a-call", "a secret of the service"):
                    with self.subTest(where=name, key=key, secret=secret):
                        self.assertNotIn(secret, shown)
            # The worker has the key all the same.
            self.assertIn("model.onnx", sealing.unseal(models[0], text)[1])
            self.cancel("train", operation)
            self.cancelled("train", operation)
            for path in results.rglob("*"):
                if path.is_file():
                    self.assertNotIn(b"a-literal-key-of-a-call", path.read_bytes(), path)
        self.assertNotIn("a-literal-key-of-a-call", self.service("train").log())

    @staticmethod
    def shown(pid, name):
        return pathlib.Path(f"/proc/{pid}/{name}").read_text(errors="replace")

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
        error = self.failed("train", operation, StatusCode.DATA_LOSS, "'last' at '/etc/passwd'")
        self.assertEqual(reason_of(error), "OUTPUT_NOT_AS_REPORTED", error)

    def test_links_that_lead_out_of_the_workspace(self):
        outside = self.house.folder / "elsewhere"
        outside.mkdir()
        for name in (".trainyard", "weights"):
            results = self.workspace / f"linked{name}"
            results.mkdir()
            (results / name).symlink_to(outside)
            operation = self.stub("train").Train(train_request(results.name), timeout=ANSWER_S)
            self.failed("train", operation, StatusCode.PERMISSION_DENIED, f"{results.name}/{name}' leaves",
                        "by a symbolic link")
        self.assertEqual([str(path) for path in outside.rglob("*")], [])

    def test_a_state_folder_of_another_service(self):
        operation = self.stub("train").Train(train_request("other", epochs=5000), timeout=ANSWER_S)
        train = self.service("train")
        train.stop()
        other = house.Service("prune", self.house.folder / "other", self.workspace)
        (other.folder / "prune.state").symlink_to(train.folder / "train.state")
        with contextlib.ExitStack() as stack:
            stack.callback(train.start)
            stack.callback(other.stop)
            with self.assertRaisesRegex(AssertionError, "belongs to the service train"):
                other.start()
        self.assertFalse(self.get("train", operation).HasField("error"), "another service ended it")
        self.cancel("train", operation)
        self.wait("train", operation)

    @slow
    def test_a_worker_that_is_stopped(self):
        operation = self.stub("train").Train(train_request("stopped", epochs=5000), timeout=ANSWER_S)
        [worker] = house.wait_until(self.workers, "a worker starts")
        house.wait_until(lambda: self.journal("stopped"), "the worker works")
        os.kill(worker, signal.SIGSTOP)
        error = self.failed("train", operation, StatusCode.ABORTED, "gave no sign of life for 60 s", timeout_s=240)
        self.assertEqual(reason_of(error), "WORKER_SILENT", error)


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

    def test_convolutions_that_divide_by_zero(self):
        for name, value in (("strides", [0, 0]), ("group", 0), ("group", -1), ("dilations", [0, 0]),
                            ("kernel_shape", [1 << 40, 1]), ("pads", [-(1 << 60)] * 4)):
            number = value[0] if isinstance(value, list) else value
            file = f"poison-{name}-{number}.tlt"
            self.poison(file, self.setting(name, value))
            model = dict(key=KEY, inputs=[("model", file)])
            spec = train_request("unused").stage.spec_text
            pruned, exported = [("model", f"pruned-{file}")], [("model", f"exported-{file}.etlt")]
            for service, call, request in (
                    ("prune", "Prune", prune_pb2.PruneRequest(stage=stage(outputs=pruned, **model))),
                    ("export", "Export", export_pb2.ExportRequest(stage=stage(outputs=exported, **model))),
                    ("train", "Evaluate", train_pb2.EvaluateRequest(stage=stage(spec, **model)))):
                with self.subTest(attribute=name, value=value, service=service):
                    operation = getattr(self.stub(service), call)(request, timeout=ANSWER_S)
                    self.failed(service, operation, StatusCode.DATA_LOSS, file, "node 'conv1' (Conv)",
                                f"has {number} in the attribute '{name}'")
                    self.check_alive(service)

    def augment(self, root, dataset, more=""):
        text = ('output_image_width: 128 output_image_height: 128 output_image_channel: 3 '
                'image_extension: ".png" dataset_config { image_path: "images" label_path: "labels" } ' + more)
        return self.stub("convert").Augment(convert_pb2.AugmentRequest(
            stage=stage(text, inputs=[("root", root)], outputs=[("dataset", dataset)])), timeout=ANSWER_S)

    def check_augmented(self, operation, count):
        """All the pictures were read and written."""
        metrics = {metric.name: metric.value for metric in self.succeeded("convert", operation).metrics}
        self.assertEqual((metrics["images"], metrics["images_refused"]), (count, 0))

    def test_pictures_of_a_hundred_megapixels(self):
        attacked.large_pictures(self.workspace / "large", 2, 10000, 10000, "png")
        self.assertLess((self.workspace / "large" / "images" / "0.png").stat().st_size, 20000)
        self.check_augmented(self.augment("large", "augmented"), 2)
        attacked.large_pictures(self.workspace / "larger", 1, 10001, 10000, "png")
        self.failed("convert", self.augment("larger", "augmented-larger"), StatusCode.INVALID_ARGUMENT,
                    "images/0.png", "10001 x 10000", "100000000 pixels in all are read")
        peak = house.peak_memory_mib(self.pid("convert"))
        self.assertLess(peak, 200, "the service itself decodes pictures")
        self.succeeded("convert", self.stub("convert").Convert(convert_request(), timeout=ANSWER_S))

    def test_a_picture_wider_than_a_short(self):
        attacked.large_pictures(self.workspace / "wide", 2, 33000, 4, "png")
        self.check_augmented(self.augment("wide", "augmented-wide"), 2)
        turn = 'spatial_config { rotation_config { angle: 10 units: "degrees" } }'
        error = self.failed("convert", self.augment("wide", "turned-wide", turn), StatusCode.INVALID_ARGUMENT,
                            "wide/images/", ".png: the picture is 33000 x 4", "at most 32766 a side")
        for word in ("OpenCV", "Assertion", "assert"):
            self.assertNotIn(word, error.message)

    def test_files_may_not_grow(self):
        """A quota that sends SIGXFSZ: to the worker for what it makes, to the service for the end of the work."""
        attacked.large_pictures(self.workspace / "quota", 4)
        operation = self.stub("convert").Convert(convert_request("quota", "tfrecords/quota"), timeout=ANSWER_S)
        [worker] = house.wait_until(lambda: attacked.children(self.pid("convert")), "a worker starts")
        self.wait_running("convert", operation)
        # Enough for its journal, too little for a shard; it cannot have come to the shards yet.
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (4096, 4096))
        with self.limited(self.pid("convert"), resource.RLIMIT_FSIZE, 1):
            self.check_not_told("convert", operation, worker)
            self.check_alive("convert")
        self.failed("convert", operation, StatusCode.INTERNAL, "quota-fold-001-of-002-shard-", "File too large")
