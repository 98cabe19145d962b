"""Files and rows that are not what they should be."""

import os
import resource
import sqlite3
import time

import attacked
import house
from attacked import ANSWER_S, convert_pb2, convert_request, train_request
from google.longrunning import operations_pb2


class Folders(attacked.Attacked):
    def test_a_fifo_among_the_labels(self):
        root = self.workspace / "fifo"
        for part in ("images", "labels"):
            (root / part).mkdir(parents=True)
            for path in (self.workspace / "parts" / "train" / part).iterdir():
                (root / part / path.name).write_bytes(path.read_bytes())
        label = sorted((root / "labels").iterdir())[3]
        label.unlink()
        os.mkfifo(label)
        operation = self.stub("convert").Convert(convert_request("fifo", "tfrecords/fifo"), timeout=ANSWER_S)
        [note] = self.succeeded("convert", operation).notes
        self.assertIn(f"labels/{label.name}' is a FIFO", note)

    def test_large_pictures_do_not_delay_a_cancel(self):
        attacked.large_pictures(self.workspace / "slow", 8)
        self.check_cancel(self.stub("convert").Convert(convert_request("slow", "tfrecords/slow"), timeout=ANSWER_S))
        spec = 'image_extension: ".jpg" dataset_config { image_path: "images" label_path: "labels" }'
        self.check_cancel(self.stub("convert").Augment(convert_pb2.AugmentRequest(stage=attacked.stage(
            spec, inputs=[("root", "slow")], outputs=[("dataset", "augmented-slow")])), timeout=ANSWER_S))

    def check_cancel(self, operation):
        [worker] = house.wait_until(lambda: attacked.children(self.pid("convert")), "a worker starts")
        # More than its start takes: it is in a picture.
        house.wait_until(lambda: attacked.worked_s(worker) > 0.5, "the worker decodes")
        self.cancel("convert", operation)
        begun = time.monotonic()
        self.cancelled("convert", operation)
        self.assertLess(time.monotonic() - begun, 3 if not house.SANITIZED else 20)


class State_(attacked.Attacked):
    """The service's own store."""
    names = ("convert", "train")

    def finish(self, dataset):
        operation = self.stub("convert").Convert(convert_request(dataset=dataset), timeout=ANSWER_S)
        self.succeeded("convert", operation)
        return operation

    def database(self, name):
        [path] = (self.service(name).folder / f"{name}.state").rglob("operations.db")
        return path

    def test_the_store_is_for_its_user_alone(self):
        self.finish("tfrecords/mode")
        for path in self.database("convert").parent.glob("operations.db*"):
            self.assertEqual(path.stat().st_mode & 0o077, 0, path)

    def test_bad_rows_are_named_and_hide_nothing(self):
        good, bad, unfinished = (self.finish(f"tfrecords/row{i}") for i in range(3))
        service = self.service("convert")
        service.stop()
        with sqlite3.connect(self.database("convert")) as database:
            for operation, change in ((bad, ""), (unfinished, ", state = 2, end_us = 0")):
                changed = database.execute(
                    f"UPDATE operations SET metadata = x'ff', response = x'ff'{change} WHERE id = ?",
                    (operation.name.split("/")[-1],))
                self.assertEqual(changed.rowcount, 1)
        database.close()
        said = len(service.log())
        service.start()
        answer = self.ask("convert", "ListOperations", operations_pb2.ListOperationsRequest(page_size=1000))
        self.assertIn(good.name, [operation.name for operation in answer.operations])
        for operation in (bad, unfinished):
            self.assertIn(operation.name, answer.unreachable)
            self.assertIn(operation.name, service.log()[said:])
            found = self.get("convert", operation)
            self.assertEqual(attacked.reason_of(found.error), "ROW_DAMAGED", found)

    def test_an_end_that_cannot_be_stored_is_not_told(self):
        operation = self.stub("train").Train(train_request("full", epochs=3), timeout=ANSWER_S)
        [worker] = house.wait_until(lambda: attacked.children(self.service("train").process.pid), "a worker starts")
        house.wait_until(lambda: house.read_journal(self.workspace / "full" / ".trainyard"), "the worker works")
        with self.limited(self.pid("train"), resource.RLIMIT_FSIZE, 1):
            self.check_not_told("train", operation, worker)
        self.succeeded("train", operation)
        self.service("train").kill()
        self.service("train").start()
        after = self.get("train", operation)
        self.assertTrue(after.done and not after.HasField("error"), "an end was taken back")
        self.assertEqual(attacked.metadata_of(after).attempt, 1)
