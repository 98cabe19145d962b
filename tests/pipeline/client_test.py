"""A foreign client runs convert -> train -> cancel over gRPC with nothing but our protos."""

import os
import pathlib
import tempfile
import time
import unittest
import uuid

import house

house.generate_stubs()

import grpc  # noqa: E402
from google.longrunning import operations_pb2, operations_pb2_grpc  # noqa: E402
from google.rpc import error_details_pb2, status_pb2  # noqa: E402
from trainyard.v1 import (convert_pb2, convert_pb2_grpc, operation_pb2, operation_pb2_grpc,  # noqa: E402
                          stage_pb2, train_pb2, train_pb2_grpc)

import specs  # noqa: E402


# ResNet-10's weights in float32; training also holds gradients, momentum and activations.
MODEL_MIB = 23


def details(error):
    """The google.rpc.Status of a failed call, and its detail messages by type name."""
    trailer = dict(error.trailing_metadata()).get("grpc-status-details-bin")
    status = status_pb2.Status.FromString(trailer)
    found = {}
    for detail in status.details:
        kind = getattr(error_details_pb2, detail.type_url.rsplit(".", 1)[-1])
        message = kind()
        detail.Unpack(message)
        found[kind.__name__] = message
    return found


class ClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.house = house.House(cls.folder.name, ("convert", "train"))
        cls.enterClassContext(cls.house)
        house.cli("sample-data", cls.house.workspace / "parts", "--train", 24, "--val", 6)
        cls.convert = convert_pb2_grpc.ConvertServiceStub(cls.house.channel("convert"))
        cls.train = train_pb2_grpc.TrainServiceStub(cls.house.channel("train"))

    def watch(self, name, operation, until):
        """Follows an operation by its stream until `until(metadata, operation)`; returns the last state."""
        stub = operation_pb2_grpc.OperationWatchServiceStub(self.house.channel(name))
        sequence = 0
        for answer in stub.WatchOperation(
                operation_pb2.WatchOperationRequest(name=operation.name), timeout=240):
            self.assertGreaterEqual(answer.sequence, sequence)
            sequence = answer.sequence
            metadata = operation_pb2.OperationMetadata()
            answer.operation.metadata.Unpack(metadata)
            if until(metadata, answer.operation):
                return answer.operation, metadata
        self.fail("the stream ended before the state came")

    def result(self, name, operation):
        done, _ = self.watch(name, operation, lambda _, state: state.done)
        self.assertFalse(done.HasField("error"), done.error.message)
        result = operation_pb2.StageResult()
        done.response.Unpack(result)
        return result

    def convert_request(self):
        return convert_pb2.ConvertRequest(
            stage=stage_pb2.StageInput(
                network="ssd", spec_text=specs.convert("parts/train", val_split=25),
                outputs=[specs.artifact("dataset", "tfrecords/parts")]),
            request_id=str(uuid.uuid4()))

    def test_convert_then_train_then_cancel(self):
        request = self.convert_request()
        operation = self.convert.Convert(request, timeout=20)
        self.assertEqual(operation.name, self.convert.Convert(request, timeout=20).name,
                         "the same request_id gives the same operation")
        result = self.result("convert", operation)
        shards = sorted((self.house.workspace / "tfrecords").glob("parts-fold-*-shard-*"))
        self.assertTrue(shards)
        records = [record for shard in shards for record in house.read_records(shard)]
        self.assertEqual(len(records), 24)
        self.assertEqual([output.name for output in result.outputs], ["dataset"])

        training = self.train.Train(train_pb2.TrainRequest(
            stage=stage_pb2.StageInput(
                network="ssd", key="a secret of the test",
                spec_text=specs.train("tfrecords/parts", validation=None, epochs=5000, batch=4),
                outputs=[specs.artifact("results", "results")])), timeout=20)
        # Wait for real steps, then ask it to stop.
        _, metadata = self.watch("train", training, lambda metadata, _: metadata.progress.done >= 2)
        worker = int(metadata.worker.rsplit(":", 1)[-1])
        if not house.SANITIZED:
            self.assertLess(house.peak_memory_mib(worker), 1024 + MODEL_MIB * 8, "the train worker's bound")
        operations = operations_pb2_grpc.OperationsStub(self.house.channel("train"))
        asked = time.monotonic()
        operations.CancelOperation(operations_pb2.CancelOperationRequest(name=training.name), timeout=5)
        done, metadata = self.watch("train", training, lambda _, state: state.done)
        took = time.monotonic() - asked
        self.assertEqual(done.error.code, grpc.StatusCode.CANCELLED.value[0])
        self.assertEqual(metadata.state, operation_pb2.OperationMetadata.CANCELLED)
        if not house.SANITIZED:
            # Half a second of processor time, of which a busy machine gives each process its share.
            self.assertLess(took, 2.0 * max(1.0, os.getloadavg()[0] / os.cpu_count()))
            self.assertTrue(list((self.house.workspace / "results" / "weights").glob("*.tlt")),
                            "a cancelled training leaves a checkpoint")
        self.assertNotIn("a secret of the test", self.house.services["train"].log())

    @unittest.skipIf(house.SANITIZED, "freed memory is held back to find its use")
    def test_conversion_does_not_grow_with_the_images(self):
        service = self.house.services["convert"]
        self.result("convert", self.convert.Convert(self.convert_request(), timeout=20))
        before = house.peak_memory_mib(service.process.pid)
        self.assertLess(before, 512)
        house.cli("sample-data", self.house.workspace / "many", "--train", 600, "--val", 1)
        request = self.convert_request()
        request.stage.spec_text = specs.convert("many/train")
        request.stage.outputs[0].uri = "tfrecords/many"
        self.result("convert", self.convert.Convert(request, timeout=20))
        self.assertLess(house.peak_memory_mib(service.process.pid), before + 32)

    def test_every_error_of_a_request_at_once(self):
        with self.assertRaises(grpc.RpcError) as caught:
            self.train.Train(train_pb2.TrainRequest(stage=stage_pb2.StageInput(
                network="sdd", spec_text="training_config { num_epoch: 3 }\n nms_config { top_k: x }",
                inputs=[specs.artifact("modle", "nowhere.tlt")])), timeout=20)
        error = caught.exception
        self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        violations = details(error)["BadRequest"].field_violations
        text = "\n".join(f"{v.field} {v.description}" for v in violations)
        for part in ("ssd", "results", "model"):
            self.assertIn(part, text)
        self.assertTrue(details(error)["ErrorInfo"].reason)

    def test_a_spec_error_names_line_and_nearest_field(self):
        with self.assertRaises(grpc.RpcError) as caught:
            self.train.Train(train_pb2.TrainRequest(stage=stage_pb2.StageInput(
                network="ssd", spec_name="my.txt",
                spec_text="random_seed: 1\ntraining_config {\n  num_epoch: 3\n}\n",
                outputs=[specs.artifact("results", "r")])), timeout=20)
        self.assertIn("my.txt:3", caught.exception.details())
        self.assertIn("num_epochs", caught.exception.details())

    def test_paths_do_not_leave_the_workspace(self):
        request = self.convert_request()
        request.stage.outputs[0].uri = "../outside/parts"
        with self.assertRaises(grpc.RpcError) as caught:
            self.convert.Convert(request, timeout=20)
        self.assertIn(caught.exception.code(),
                      (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT))
        self.assertFalse((pathlib.Path(self.folder.name) / "outside").exists())

    def test_health_and_validate_only(self):
        request = self.convert_request()
        request.validate_only = True
        operation = self.convert.Convert(request, timeout=20)
        self.assertTrue(operation.done)
        self.assertEqual(operation.name, "")


if __name__ == "__main__":
    unittest.main()
