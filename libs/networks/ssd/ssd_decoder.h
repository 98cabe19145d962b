#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/data/box.h"
#include "libs/tasks/detection/decoder.h"
#include "libs/tensor/tensor.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard::networks {

/// A box with its score, for NonMaximumSuppression.
struct ScoredBox {
  data::Box box;
  float score = 0;
};

/// Indices of the boxes that stay, the best first: by descending score (the lower index first among
/// equals), a box stays unless it overlaps one that stayed by more than `iou_threshold`; at most
/// `max_boxes` stay. O(n log n + n * kept).
std::vector<int> NonMaximumSuppression(absl::Span<const ScoredBox> boxes, float iou_threshold,
                                       int max_boxes);

/// SSD's head: softmax over classes, offsets on anchors, suppression per class, then the best top_k
/// over all classes. Thread-safe.
class SsdDecoder : public tasks::Decoder {
 public:
  /// kInvalidArgument, all problems at once, when the record has no SSD head or the head is wrong:
  /// anchors (MakeAnchors), not four positive variances, a threshold outside (0, 1), top_k below 1,
  /// no output names, no classes.
  static absl::StatusOr<std::unique_ptr<SsdDecoder>> Create(const model::v1::ModelRecord& record);

  /// `outputs`: f32 logits [N, A, classes + 1] and offsets [N, A, 4]. Per image, detections by
  /// descending score (then class, then anchor), at most top_k, scores above the head's threshold.
  /// An anchor with a value that is not finite finds nothing. kInvalidArgument for a wrong count,
  /// dtype or shape, with what was expected.
  ///
  /// One pass over the logits; only anchors that can pass the threshold are decoded at all.
  /// Source: TensorFlow's combined_non_max_suppression without clipping, as TAO calls it.
  absl::StatusOr<std::vector<std::vector<data::Detection>>> Decode(
      absl::Span<const Tensor> outputs) const override;

  /// The confidence output, then the location output.
  std::vector<std::string> output_names() const override { return {confidence_, location_}; }
  float confidence_threshold() const override { return confidence_threshold_; }

 private:
  struct CenterBox {
    float cx, cy, w, h;
  };
  SsdDecoder() = default;
  absl::Status CheckShapes(absl::Span<const Tensor> outputs) const;
  std::vector<data::Detection> DecodeImage(const float* logits, const float* offsets) const;
  data::Box DecodeAnchor(int64_t anchor, const float* offsets) const;

  std::string confidence_, location_;
  std::vector<CenterBox> anchors_;
  float variances_[4] = {};
  int64_t classes_ = 0;  // with background
  float confidence_threshold_ = 0;
  /// A foreground score above the threshold needs this much more logit than the background.
  float least_logit_lead_ = 0;
  float nms_iou_threshold_ = 0;
  int top_k_ = 0;
};

}  // namespace trainyard::networks
