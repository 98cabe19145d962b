"""Engines against onnxruntime: the same network, the same threads, in one run.

    scripts/build && .deps/venv/bin/python tests/bench/engine_bench.py [--depth 18] [--size 300] [--threads 2]

Trains an SSD for one epoch (its weights do not matter for speed) and holds the answers of the FP32 and the INT8 engine
against onnxruntime's on the same two graphs (INT8: as near to FP32 as onnxruntime is on the same Q/DQ graph, times 1.5).
Then times in turns: onnxruntime on both graphs, up to the raw heads, and the engines, which end there too.
Prints the median of the rounds and the ratio to onnxruntime in FP32.
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


def answers(folder, stem, like):
    """What a program of ours wrote, in the shapes of the peer's answers."""
    return [np.fromfile(folder / "heads" / f"{stem}_{i}.bin", "<f4").reshape(theirs.shape)
            for i, theirs in enumerate(like)]


def relative_error(exact, got):
    return float(np.sqrt(np.sum((got - exact) ** 2) / np.sum(exact ** 2)))


def peer_sessions(folder, checkpoint, size, threads):
    """onnxruntime on the very networks, FP32 and INT8, after its answers were held against ours."""
    images = np.random.default_rng(0).normal(0, 60, (MAX_BATCH, 3, size, size)).astype(np.float32)
    images.tofile(folder / "inputs.bin")
    subprocess.run([house.BUILD / "tests" / "run-heads-openvino", checkpoint, KEY, "inputs.bin", "heads"], cwd=folder,
                   check=True)
    subprocess.run([house.BUILD / "tests" / "run-int8-engine", "model.etlt", KEY, "inputs.bin", "heads", str(threads)],
                   cwd=folder, check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads

    def session(name, options):
        made = onnxruntime.InferenceSession(str(folder / "heads" / name), options, providers=["CPUExecutionProvider"])
        return lambda batch: made.run(None, {made.get_inputs()[0].name: images[:batch]})

    fp32, int8 = session("model.onnx", options), session("int8.onnx", options)
    exact = fp32(MAX_BATCH)
    for theirs, ours in zip(exact, answers(folder, "output", exact)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)
    # Node by node: the fused kernels that are timed round in other places.
    plain = onnxruntime.SessionOptions()
    plain.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    rounded = session("int8.onnx", plain)(MAX_BATCH)
    for wanted, theirs, ours in zip(exact, rounded, answers(folder, "int8", exact)):
        ours, theirs = relative_error(wanted, ours), relative_error(wanted, theirs)
        print(f"INT8 against FP32: the engine is {ours:.4f} off, onnxruntime on the same graph {theirs:.4f}")
        assert ours <= 1.5 * theirs + 1e-5
    return fp32, int8


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
        fp32, int8 = peer_sessions(folder, checkpoint, given.size, given.threads)
        rounds = {"onnxruntime FP32": [], "onnxruntime INT8": [], "engine FP32": [], "engine INT8": []}
        for _ in range(ROUNDS):
            rounds["onnxruntime FP32"].append((peer_ms(fp32, 1), peer_ms(fp32, MAX_BATCH)))
            rounds["onnxruntime INT8"].append((peer_ms(int8, 1), peer_ms(int8, MAX_BATCH)))
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
