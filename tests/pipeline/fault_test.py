"""Faults with real processes: kills in mid-training, and inputs that are wrong in one way each.

A process is killed when an event stands in the worker's journal, never after a sleep.
"""

import json
import os
import pathlib
import shutil
import signal
import tempfile
import unittest
import uuid

import house

house.generate_stubs()

import grpc  # noqa: E402
from google.longrunning import operations_pb2, operations_pb2_grpc  # noqa: E402
from google.rpc import error_details_pb2, status_pb2  # noqa: E402
from trainyard.v1 import (convert_pb2, convert_pb2_grpc, operation_pb2, operation_pb2_grpc,  # noqa: E402
                          orchestrator_pb2, orchestrator_pb2_grpc, stage_pb2, train_pb2, train_pb2_grpc)

import specs  # noqa: E402
from digests import digest  # noqa: E402

EPOCHS = 3
KEY = "env:TRAINYARD_FAULT_TEST_KEY"
RUN_TIMEOUT_S = 120
ENDED = (orchestrator_pb2.Run.SUCCEEDED, orchestrator_pb2.Run.FAILED, orchestrator_pb2.Run.CANCELLED)


def block(text):
    """A text as a YAML block below a stage's key."""
    return "|\n" + "".join(f"      {line}\n" for line in text.splitlines())


def pipeline():
    # The data set has one place for all runs: a path of the spec is part of what a checkpoint records.
    return f"""name: faults
results: results
stages:
  - name: convert
    kind: convert
    spec: {block(specs.convert("parts/train", val_split=0))}
    outputs: {{dataset: tfrecords/parts}}
  - name: train
    kind: train
    spec: {block(specs.train("${stage.convert.outputs.dataset}", validation="parts/val",
                             epochs=EPOCHS, batch=4))}
    options: {{deterministic: true}}
"""


def temporary_files(folder):
    return [str(path) for path in pathlib.Path(folder).rglob(".tmp-*")]


def reason(status):
    """The reason of the ErrorInfo of a google.rpc.Status."""
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return info.reason
    return ""


def status_of(error):
    trailer = dict(error.trailing_metadata()).get("grpc-status-details-bin")
    return status_pb2.Status.FromString(trailer)


def set_up_house(test_class, names, orchestrator=False, extra=None):
    """A folder, sample data and services for a test class, cleaned up at its end."""
    os.environ[KEY.split(":")[1]] = "the key of the fault test"
    folder = tempfile.TemporaryDirectory()
    test_class.addClassCleanup(folder.cleanup)
    test_class.house = house.House(folder.name, names)
    for name, words in (extra or {}).items():
        test_class.house.services[name].extra += words
    test_class.enterClassContext(test_class.house)
    test_class.workspace = test_class.house.workspace
    house.cli("sample-data", test_class.workspace / "parts", "--train", 16, "--val", 4)
    if orchestrator:
        test_class.house.add_orchestrator()


class KillTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        set_up_house(cls, ("convert", "train"), orchestrator=True)
        cls.undisturbed = cls.last_digest(cls.follow(cls.start()))

    @classmethod
    def orchestrator(cls):
        # A channel of its own for each use: the process behind the address may have been replaced.
        channel = cls.house.channel("orchestrator")
        return orchestrator_pb2_grpc.OrchestratorServiceStub(channel)

    @classmethod
    def start(cls):
        """Starts a run that computes all anew, and returns its name."""
        answer = cls.orchestrator().StartRun(orchestrator_pb2.StartRunRequest(
            pipeline=pipeline(), pipeline_name="faults.yaml", key=KEY, force=True,
            request_id=str(uuid.uuid4())), timeout=house.PATIENCE_S)
        return answer.run.name

    @classmethod
    def follow(cls, name):
        """Follows a run to its end; whatever is called done on the way must lie there as recorded."""
        run = None
        for answer in cls.orchestrator().WatchRun(
                orchestrator_pb2.WatchRunRequest(name=name), timeout=RUN_TIMEOUT_S):
            run = answer.run
            cls.check_what_is_done(run)
            if run.state in ENDED:
                break
        if run is None or run.state != orchestrator_pb2.Run.SUCCEEDED:
            raise AssertionError(f"{name} did not succeed:\n{run}")
        return run

    @classmethod
    def check_what_is_done(cls, run):
        for stage in run.stages:
            if stage.state != orchestrator_pb2.Run.SUCCEEDED:
                continue
            if not stage.outputs:
                raise AssertionError(f"{stage.name} is done without outputs")
            for output in stage.outputs:
                if not output.sha256 or digest(cls.workspace / output.uri) != output.sha256:
                    raise AssertionError(f"{stage.name} is done, and not as recorded:\n{output}")

    @classmethod
    def stage(cls, run, name):
        return next(stage for stage in run.stages if stage.name == name)

    @classmethod
    def last_digest(cls, run):
        last = next(output for output in cls.stage(run, "train").outputs if output.name == "last")
        assert last.uri.endswith(f"_epoch_{EPOCHS:03}.tlt"), last.uri
        return last.sha256

    def wait_for_mid_training(self, name):
        """Returns the worker's process id once the journal tells of a checkpoint that is not the last."""
        run = self.orchestrator().GetRun(orchestrator_pb2.GetRunRequest(name=name), timeout=20).run
        job_dir = self.workspace / run.results_uri / "train" / ".trainyard"

        def events_with_checkpoint():
            events = house.read_journal(job_dir)
            return any(event.HasField("checkpoint") for event in events) and events

        events = house.wait_until(events_with_checkpoint, f"a checkpoint in {job_dir}", RUN_TIMEOUT_S)
        self.assertFalse([event for event in events if event.HasField("finished")], "killed too late")
        self.assertLess(max(event.checkpoint.epoch for event in events), EPOCHS)
        return next(event.started.pid for event in events if event.HasField("started"))

    def check_end(self, name, attempt):
        """The run ends as if nothing had happened; `attempt` is the training's in the orchestrator's eyes."""
        run = self.follow(name)
        self.assertEqual(self.stage(run, "train").attempt, attempt)
        self.assertEqual([stage.state for stage in run.stages], [orchestrator_pb2.Run.SUCCEEDED] * 2)
        self.assertEqual(self.last_digest(run), self.undisturbed)
        return run

    def resumed(self, run):
        """Whether a worker of the run's training began at a checkpoint."""
        events = house.read_journal(self.workspace / run.results_uri / "train" / ".trainyard")
        return any(event.started.resumed_from for event in events if event.HasField("started"))

    def test_kill_of_the_worker(self):
        name = self.start()
        os.kill(self.wait_for_mid_training(name), signal.SIGKILL)
        self.assertTrue(self.resumed(self.check_end(name, attempt=2)))

    def test_kill_of_the_train_service(self):
        name = self.start()
        self.wait_for_mid_training(name)
        train = self.house.services["train"]
        train.kill()
        train.start()
        self.assertTrue(self.resumed(self.check_end(name, attempt=1)))

    def test_kill_of_the_orchestrator(self):
        name = self.start()
        self.wait_for_mid_training(name)
        self.house.orchestrator.kill()
        self.house.orchestrator.start()
        self.assertFalse(self.resumed(self.check_end(name, attempt=1)), "the training goes on")


class WrongInputTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        set_up_house(cls, ("convert", "train"), extra={"train": ["--max-queue", "1"]})
        cls.convert = convert_pb2_grpc.ConvertServiceStub(cls.house.channel("convert"))
        cls.train = train_pb2_grpc.TrainServiceStub(cls.house.channel("train"))
        cls.operations = operations_pb2_grpc.OperationsStub(cls.house.channel("train"))
        trained = cls.wait(cls, "train", cls.train.Train(cls.train_request("trained", epochs=1), timeout=20))
        result = operation_pb2.StageResult()
        assert trained.response.Unpack(result), trained
        cls.model = next(output.uri for output in result.outputs if output.name == "last")

    @staticmethod
    def train_request(results, epochs, data="parts/train"):
        text = specs.train("unused", validation="parts/val", epochs=epochs, batch=4)
        raw = f'image_directory_path: "{data}/images" label_directory_path: "{data}/labels"'
        return train_pb2.TrainRequest(stage=stage_pb2.StageInput(
            network="ssd", key=KEY, spec_text=text.replace('tfrecords_path: "unused"', raw),
            outputs=[specs.artifact("results", results)]))

    def wait(self, name, operation):
        stub = operation_pb2_grpc.OperationWatchServiceStub(self.house.channel(name))
        for answer in stub.WatchOperation(
                operation_pb2.WatchOperationRequest(name=operation.name), timeout=RUN_TIMEOUT_S):
            if answer.operation.done:
                return answer.operation
        raise AssertionError("the stream ended before the operation")

    def evaluate_error(self, model, key, results):
        """The google.rpc.Status with which an evaluation is refused or ends."""
        request = train_pb2.EvaluateRequest(stage=stage_pb2.StageInput(
            network="ssd", key=key, spec_text=self.train_request("unused", 1).stage.spec_text,
            inputs=[specs.artifact("model", model)], outputs=[specs.artifact("results", results)]))
        try:
            done = self.wait("train", self.train.Evaluate(request, timeout=20))
        except grpc.RpcError as error:
            return status_of(error)
        self.assertTrue(done.HasField("error"), "an evaluation of a bad model succeeded")
        return done.error

    def convert_copy(self, name, harm):
        """Converts a copy of the training data that `harm` changed; returns (ledger, operation)."""
        root = self.workspace / name
        shutil.copytree(self.workspace / "parts" / "train", root)
        harm(root)
        done = self.wait("convert", self.convert.Convert(convert_pb2.ConvertRequest(
            stage=stage_pb2.StageInput(network="ssd", spec_text=specs.convert(name, val_split=0),
                                       outputs=[specs.artifact("dataset", f"tfrecords/{name}")])),
            timeout=20))
        ledgers = list((self.workspace / "tfrecords").glob(f"{name}*ledger.jsonl"))
        entries = [json.loads(line) for path in ledgers for line in path.read_text().splitlines()]
        return entries, done

    def nothing_left(self, *outputs):
        self.assertEqual(temporary_files(self.workspace), [])
        for output in outputs:
            path = self.workspace / output
            files = [found for found in path.rglob("*") if found.is_file() and ".trainyard" not in found.parts]
            self.assertEqual(files, [], f"files of a failed stage in {output}")

    def test_wrong_key(self):
        error = self.evaluate_error(self.model, "another key than that", "wrong_key")
        self.assertEqual(error.code, grpc.StatusCode.INVALID_ARGUMENT.value[0], error)
        self.assertIn("key", error.message)
        self.assertIn(pathlib.Path(self.model).name, error.message)
        self.assertNotIn("another key than that", error.message)
        self.nothing_left("wrong_key")

    def test_truncated_tlt(self):
        whole = (self.workspace / self.model).read_bytes()
        (self.workspace / "cut.tlt").write_bytes(whole[:len(whole) // 2])
        error = self.evaluate_error("cut.tlt", KEY, "truncated")
        self.assertEqual(error.code, grpc.StatusCode.DATA_LOSS.value[0], error)
        self.assertIn("cut.tlt", error.message)
        self.nothing_left("truncated")

    def test_missing_label_file(self):
        gone = sorted((self.workspace / "parts/train/labels").iterdir())[3].name
        entries, done = self.convert_copy("missing_label", lambda root: (root / "labels" / gone).unlink())
        self.assertFalse(done.HasField("error"), done.error.message)
        self.assertEqual([entry["reason"] for entry in entries], ["missing_label"])
        self.assertIn(gone, entries[0]["text"])
        self.nothing_left()

    def test_empty_jpeg(self):
        empty = sorted((self.workspace / "parts/train/images").iterdir())[5].name
        entries, done = self.convert_copy("empty_jpeg",
                                          lambda root: (root / "images" / empty).write_bytes(b""))
        self.assertFalse(done.HasField("error"), done.error.message)
        self.assertEqual([entry["reason"] for entry in entries], ["unreadable_image"])
        self.assertIn(empty, entries[0]["place"])
        self.nothing_left()

    def test_too_many_refused_images_fail_without_files(self):
        def harm(root):
            for path in list((root / "labels").iterdir())[:4]:
                path.unlink()

        _, done = self.convert_copy("many_missing", harm)
        self.assertEqual(done.error.code, grpc.StatusCode.INVALID_ARGUMENT.value[0])
        self.assertIn("4 of 16 images", done.error.message)
        self.assertEqual(list((self.workspace / "tfrecords").glob("many_missing*")), [])
        self.nothing_left()

    def test_unknown_spec_field(self):
        request = self.train_request("unknown_field", epochs=1)
        request.stage.spec_name = "mine.txt"
        request.stage.spec_text += "nms_confg { top_k: 3 }\n"
        line = request.stage.spec_text.count("\n")
        with self.assertRaises(grpc.RpcError) as caught:
            self.train.Train(request, timeout=20)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertIn(f"mine.txt:{line}", caught.exception.details())
        self.assertIn("nms_config", caught.exception.details())
        self.assertFalse((self.workspace / "unknown_field").exists())
        self.nothing_left()

    def test_full_queue(self):
        # One works, one waits, and the third is told to come back.
        accepted = [self.train.Train(self.train_request("queue_0", epochs=5000), timeout=20)]
        house.wait_until(lambda: self.metadata(accepted[0]).state == operation_pb2.OperationMetadata.RUNNING,
                         "the first training runs")
        accepted.append(self.train.Train(self.train_request("queue_1", epochs=5000), timeout=20))
        with self.assertRaises(grpc.RpcError) as caught:
            self.train.Train(self.train_request("queue_2", epochs=5000), timeout=20)
        status = status_of(caught.exception)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
        self.assertEqual(reason(status), "QUEUE_FULL")
        self.assertIn("queue", status.message)
        retry = error_details_pb2.RetryInfo()
        self.assertTrue(any(detail.Unpack(retry) for detail in status.details))
        self.assertGreater(retry.retry_delay.ToNanoseconds(), 0)
        self.assertFalse((self.workspace / "queue_2").exists())
        for operation in reversed(accepted):
            self.operations.CancelOperation(
                operations_pb2.CancelOperationRequest(name=operation.name), timeout=5)
        for operation in accepted:
            self.assertEqual(self.wait("train", operation).error.code, grpc.StatusCode.CANCELLED.value[0])
        self.nothing_left()

    def metadata(self, operation):
        found = operation_pb2.OperationMetadata()
        self.operations.GetOperation(
            operations_pb2.GetOperationRequest(name=operation.name), timeout=5).metadata.Unpack(found)
        return found


if __name__ == "__main__":
    unittest.main()
