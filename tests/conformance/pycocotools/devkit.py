"""Average precision of one class by the rules of Pascal VOC and of TAO, written from their descriptions
with NumPy, for comparison. Rows: (image, class, x1, y1, x2, y2, difficult or score)."""
import collections

import numpy as np

IOU = 0.5


def overlaps(box, boxes):
    """IoU of a box [4] with boxes [n, 4]; continuous coordinates."""
    size = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    inter = np.prod(np.maximum(size, 0), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    return inter / (areas - inter)


def verdicts(objects, detections, kind, matching):
    """(score, right) of the detections that count, by descending score, and the number of objects."""
    boxes, difficult = collections.defaultdict(list), collections.defaultdict(list)
    for row in objects:
        if row[1] == kind:
            boxes[row[0]].append(row[2:6])
            difficult[row[0]].append(bool(row[6]))
    taken = {image: np.zeros(len(rows), bool) for image, rows in boxes.items()}
    found = [row for row in detections if row[1] == kind]
    # Image by image, as an evaluation sees them; equal scores stay in that order.
    found.sort(key=lambda row: row[0])
    found.sort(key=lambda row: -row[6])
    judged = []
    for row in found:
        image, score = row[0], row[6]
        if image not in boxes:
            judged.append((score, False))
            continue
        iou = overlaps(np.array(row[2:6]), np.array(boxes[image]))
        if matching == "tao":  # what is taken can be found by nobody else
            iou = np.where(taken[image], 0, iou)
        best = int(np.argmax(iou))
        if iou[best] < IOU:
            judged.append((score, False))
        elif difficult[image][best]:
            taken[image][best] = matching == "tao"
        else:
            judged.append((score, not taken[image][best]))
            taken[image][best] = True
    return judged, sum(not one for rows in difficult.values() for one in rows)


def average_precision(objects, detections, kind, matching, eleven_points):
    judged, positives = verdicts(objects, detections, kind, matching)
    if positives == 0:
        return 0.0 if matching == "tao" else float("nan")
    right = np.cumsum([one for _, one in judged])
    recall = right / positives
    precision = right / np.arange(1, len(judged) + 1)
    if eleven_points:
        return float(np.mean([max(precision[recall >= point], default=0.0)
                              for point in np.linspace(0, 1, 11)]))
    recall = np.concatenate(([0], recall, [1]))
    precision = np.concatenate(([0], precision, [0]))
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * envelope[1:]))
