"""Engines against onnxruntime: the same network, the same threads, in one run.

    scripts/build && .deps/venv/bin/python tests/bench/engine_bench.py [--depth 18] [--size 300] [--threads 2]

Trains an SSD for one epoch (its weights do not matter for speed), holds the FP32 form against onnxruntime's
answers, then times in turns: onnxruntime up to the raw heads, and the FP32 and INT8 engines, which end there too.
Prints the median of the rounds and the ratio to onnxruntime.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnxruntime

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support" / "python"))
import house  # noqa: E402
import specs  # noqa: E402

KEY = "a key of the benchmark"
ROUNDS, SECONDS, MAX_BATCH = 3, 2.0, 16


def metrics_of(done):
    result = json.loads(done.stdout.splitlines()[-1])
    return {metric["name"]: metric["value"] for metric in result["metrics"]}


def make_model(folder, depth, size):
    """A sealed checkpoint and an INT8-calibrated export below `folder`."""
    house.cli("sample-data", "parts", "--train", 16, "--val", 4, "--size", "320x240", cwd=folder)
    (folder / "convert.txt").write_text(specs.convert("parts/train", val_split=0))
    house.cli("ssd", "dataset_convert", "-d", "convert.txt", "-o", "records/parts", cwd=folder)
    spec = specs.train("records/parts-fold-001*", "parts/val", epochs=1, batch=4, size=size)
    (folder / "train.txt").write_text(spec.replace("nlayers: 10", f"nlayers: {depth}"))
    house.cli("ssd", "train", "-e", "train.txt", "-r", "trained", "-k", KEY, cwd=folder)
    checkpoint = next((folder / "trained" / "weights").glob("*_best.tlt"))
    house.cli("ssd", "export", "-m", checkpoint, "-o", "model.etlt", "--data_type", "int8", "--cal_image_dir",
              "parts/train/images", "--batches", 2, "--batch_size", 8, "-k", KEY, cwd=folder)
    return checkpoint


def peer_session(folder, checkpoint, size, threads):
    """onnxruntime on the very network, after its answers were held against ours."""
    images = np.random.default_rng(0).normal(0, 60, (MAX_BATCH, 3, size, size)).astype(np.float32)
    images.tofile(folder / "inputs.bin")
    subprocess.run([house.BUILD / "tests" / "run-heads-openvino", checkpoint, KEY, "inputs.bin", "heads"], cwd=folder,
                   check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(folder / "heads" / "model.onnx"), options,
                                           providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    for i, theirs in enumerate(session.run(None, {name: images})):
        ours = np.fromfile(folder / "heads" / f"output_{i}.bin", "<f4").reshape(theirs.shape)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)
    return lambda batch: session.run(None, {name: images[:batch]})


def peer_ms(run, batch):
    """The median of runs over SECONDS, a batch's time spread over its images."""
    run(batch)
    times, begin = [], time.perf_counter()
    while time.perf_counter() - begin < SECONDS:
        start = time.perf_counter()
        run(batch)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times) / batch


def engine_ms(folder, kind, threads):
    """What the builder measures of the engine it built: (batch 1, batch MAX_BATCH)."""
    done = house.cli("converter", "-t", kind, "-m", MAX_BATCH, "-e", f"{kind}.engine", "-k", KEY, "--threads", threads,
                     "--json", "-q", "model.etlt", cwd=folder)
    metrics = metrics_of(done)
    return metrics["ms_per_image"], metrics["ms_per_image_at_max_batch"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--depth", type=int, default=18)
    arguments.add_argument("--size", type=int, default=300)
    arguments.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        checkpoint = make_model(folder, given.depth, given.size)
        run = peer_session(folder, checkpoint, given.size, given.threads)
        rounds = {"onnxruntime FP32": [], "engine FP32": [], "engine INT8": []}
        for _ in range(ROUNDS):
            rounds["onnxruntime FP32"].append((peer_ms(run, 1), peer_ms(run, MAX_BATCH)))
            rounds["engine FP32"].append(engine_ms(folder, "fp32", given.threads))
            rounds["engine INT8"].append(engine_ms(folder, "int8", given.threads))
    print(f"SSD-ResNet{given.depth} at {given.size}x{given.size}, {given.threads} threads, onnxruntime "
          f"{onnxruntime.__version__}; ms per image, median of {ROUNDS} rounds")
    peer = [statistics.median(times) for times in zip(*rounds["onnxruntime FP32"])]
    for what, times in rounds.items():
        one, most = (statistics.median(column) for column in zip(*times))
        print(f"{what:18} batch 1: {one:8.3f} ({peer[0] / one:.2f}x)   batch {MAX_BATCH}: {most:8.3f} "
              f"({peer[1] / most:.2f}x)")


if __name__ == "__main__":
    main()
