"""Compares our average precision with other evaluations, to 1e-6: in coco mode, whole and by the size of
objects, with pycocotools; in voc and tao mode, by 11 points and by area, with the evaluations of
devkit.py.

    compare.py PATH_OF_average-precision

Random scenes with crowds (difficult objects), duplicates, equal scores, classes without objects, and images with more
than 100 detections of a class; boxes are float32, as ours are.
"""
import contextlib
import io
import random
import struct
import subprocess
import sys

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import devkit

CLASSES = 4
TOLERANCE = 1e-6
SIZES = ["", "small:", "medium:", "large:"]  # pycocotools' area ranges


def f32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def make_scene(rng, images, most_objects, most_duplicates):
    """Rows (image, class, x1, y1, x2, y2, crowd or score); class CLASSES never has objects."""
    objects, detections = [], []
    for image in range(1, images + 1):
        for _ in range(rng.randint(0, most_objects)):
            x, y = rng.uniform(0, 300), rng.uniform(0, 200)
            w, h = rng.uniform(5, 120), rng.uniform(5, 120)
            kind = rng.randint(1, CLASSES - 1)
            objects.append((image, kind, *map(f32, (x, y, x + w, y + h)), int(rng.random() < 0.15)))
            for _ in range(rng.randint(0, most_duplicates)):
                box = [c + rng.gauss(0, 0.12) * s for c, s in zip((x, y, x + w, y + h), (w, h, w, h))]
                box = [min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3])]
                found = rng.randint(1, CLASSES) if rng.random() < 0.1 else kind
                score = round(rng.random(), 2) if rng.random() < 0.5 else rng.random()
                detections.append((image, found, *map(f32, box), f32(score)))
    return objects, detections


def ours(program, objects, detections, matching, mode):
    lines = ["object %d %d %.9g %.9g %.9g %.9g %d" % row for row in objects]
    lines += ["detection %d %d %.9g %.9g %.9g %.9g %.9g" % row for row in detections]
    output = subprocess.run([program, str(CLASSES), matching, mode], input="\n".join(lines), text=True,
                            check=True, capture_output=True).stdout
    return {name: (float(ap), float(ap50)) for name, ap, ap50 in map(str.split, output.splitlines())}


def xywh(row):
    x1, y1, x2, y2 = row[2:6]
    return [x1, y1, x2 - x1, y2 - y1]


def theirs(images, objects, detections):
    coco = COCO()
    coco.dataset = {
        "info": {},
        "images": [{"id": i} for i in range(1, images + 1)],
        "categories": [{"id": c} for c in range(1, CLASSES + 1)],
        "annotations": [
            {"id": n + 1, "image_id": row[0], "category_id": row[1], "bbox": xywh(row),
             "area": xywh(row)[2] * xywh(row)[3], "iscrowd": row[6]}
            for n, row in enumerate(objects)],
    }
    coco.createIndex()
    found = coco.loadRes([{"image_id": row[0], "category_id": row[1], "bbox": xywh(row),
                           "score": row[6]} for row in detections])
    judge = COCOeval(coco, found, "bbox")
    judge.evaluate()
    judge.accumulate()
    # [thresholds, recall points, classes, areas, most detections]; -1 for classes without objects.
    precision = judge.eval["precision"][:, :, :, :, 2]

    def mean(values):
        return values[values > -1].mean() if (values > -1).any() else float("nan")

    result = {}
    for area, size in enumerate(SIZES):
        for c in range(CLASSES):
            result[f"{size}{c + 1}"] = (mean(precision[:, :, c, area]), mean(precision[0, :, c, area]))
        result[f"{size}mean"] = (mean(precision[..., area]), mean(precision[0, ..., area]))
    return result


def devkits(objects, detections, matching, mode):
    aps = [devkit.average_precision(objects, detections, c + 1, matching, mode == "SAMPLE")
           for c in range(CLASSES)]
    result = {str(c + 1): (ap, ap) for c, ap in enumerate(aps)}
    result["mean"] = (np.nanmean(aps),) * 2
    return result


def compare(what, got, expected):
    """The largest difference of what is expected; ends the program when it is too large."""
    worst = 0.0
    for name, values in expected.items():
        # Of sizes we have no AP50 of the mean.
        pairs = list(zip(got[name], values))[:1 if name.endswith(":mean") else 2]
        for mine, reference in pairs:
            if np.isnan(mine) and np.isnan(reference):
                continue
            if not abs(mine - reference) <= TOLERANCE:
                sys.exit(f"{what}, {name}: ours {mine}, the other {reference}")
            worst = max(worst, abs(mine - reference))
    return worst


def main():
    program = sys.argv[1]
    worst = 0.0
    for seed in range(12):
        rng = random.Random(seed)
        images, most_objects, most_duplicates = [(40, 8, 4), (3, 60, 9), (80, 3, 2)][seed % 3]
        objects, detections = make_scene(rng, images, most_objects, most_duplicates)
        with contextlib.redirect_stdout(io.StringIO()):
            expected = theirs(images, objects, detections)
        for mode in ("SAMPLE", "INTEGRATE"):
            got = ours(program, objects, detections, "coco", mode)
            assert got.keys() == expected.keys(), (got, expected)
            worst = max(worst, compare(f"scene {seed}, coco {mode}", got, expected))
            for matching in ("voc", "tao"):
                got = ours(program, objects, detections, matching, mode)
                other = devkits(objects, detections, matching, mode)
                worst = max(worst, compare(f"scene {seed}, {matching} {mode}", got, other))
    print(f"12 scenes agree with pycocotools and the devkits; largest difference {worst:.2g}")


if __name__ == "__main__":
    main()
