"""Files and rows that are not what they should be."""

import os
import resource
import signal
import sqlite3
import time

import attacked
import house
from attacked import ANSWER_S, State, convert_request, train_request
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
        house.wait_until(lambda: self.get("convert", operation).done or
                         self.state("convert", operation) == State.RUNNING, "it runs")
        time.sleep(0.5)  # It has come to the label.
        self.cancel("convert", operation)
        begun = time.monotonic()
        self.wait("convert", operation, 20)
        self.assertLess(time.monotonic() - begun, 2 if not house.SANITIZED else 12)
        self.assertLess(self.restart("convert"), 15)

    def test_large_pictures_do_not_delay_a_cancel(self):
        root = self.workspace / "slow"
        (root / "images").mkdir(parents=True)
        (root / "labels").mkdir()
        picture = attacked.png(12000, 8000)
        for i in range(8):
            (root / "images" / f"{i}.jpg").write_bytes(picture)
            (root / "labels" / f"{i}.txt").write_text("bolt 0 0 0 1 1 50 50 0 0 0 0 0 0 0\n")
        operation = self.stub("convert").Convert(convert_request("slow", "tfrecords/slow"), timeout=ANSWER_S)
        house.wait_until(lambda: self.state("convert", operation) != State.PENDING, "it runs")
        self.cancel("convert", operation)
        begun = time.monotonic()
        self.wait("convert", operation, 30)
        self.assertLess(time.monotonic() - begun, 3 if not house.SANITIZED else 20)


class State_(attacked.Attacked):
    """The service's own store."""
    names = ("convert", "train")

    def finish(self, dataset):
        return self.wait("convert", self.stub("convert").Convert(convert_request(dataset=dataset), timeout=ANSWER_S))

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
            for operation in (bad, unfinished):
                database.execute("UPDATE operations SET metadata = x'ff', response = x'ff' WHERE id = ? OR id = ?",
                                 (operation.name, operation.name.split("/")[-1]))
            database.execute("UPDATE operations SET state = 2, end_us = 0 WHERE id = ? OR id = ?",
                             (unfinished.name, unfinished.name.split("/")[-1]))
            self.assertGreater(database.total_changes, 2)
        database.close()
        service.start()
        names = [operation.name for operation in self.stub("convert", "operations").ListOperations(
            operations_pb2.ListOperationsRequest(page_size=1000), timeout=ANSWER_S).operations]
        self.assertIn(good.name, names)
        self.assertIn(bad.name.split("/")[-1], service.log())
        self.assertIn(unfinished.name.split("/")[-1], service.log())

    def test_an_end_that_cannot_be_stored_is_not_told(self):
        operation = self.stub("train").Train(train_request("full", epochs=3), timeout=ANSWER_S)
        [worker] = house.wait_until(lambda: attacked.children(self.service("train").process.pid), "a worker starts")
        house.wait_until(lambda: house.read_journal(self.workspace / "full" / ".trainyard"), "the worker works")
        with self.limited("train", resource.RLIMIT_FSIZE, 1):
            house.wait_until(lambda: not os.path.exists(f"/proc/{worker}/exe"), "the worker ends", 2 * house.PATIENCE_S)
            time.sleep(1)
            self.assertNotEqual(self.state("train", operation), State.SUCCEEDED, "told, and not stored")
        ended = self.wait("train", operation)
        self.assertFalse(ended.HasField("error"), ended.error)
        attempt = attacked.metadata_of(ended).attempt
        self.service("train").kill()
        self.service("train").start()
        after = self.get("train", operation)
        self.assertTrue(after.done and not after.HasField("error"), "an end was taken back")
        self.assertEqual(attacked.metadata_of(after).attempt, attempt)
