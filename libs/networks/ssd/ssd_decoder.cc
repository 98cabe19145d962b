#include "libs/networks/ssd/ssd_decoder.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/networks/ssd/anchors.h"

namespace trainyard::networks {
namespace {

using model::v1::ModelRecord;
using model::v1::SsdHead;

absl::Status CheckHead(const ModelRecord& record) {
  if (!record.has_ssd()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the model record of network '", record.network(), "' has no ssd head"));
  }
  const SsdHead& head = record.ssd();
  Problems problems;
  if (record.classes().empty()) problems.Add("classes", "is empty; expected at least one class");
  const std::pair<const char*, const std::string&> outputs[] = {
      {"ssd.confidence_output", head.confidence_output()},
      {"ssd.location_output", head.location_output()}};
  for (const auto& [field, name] : outputs) {
    if (name.empty()) problems.Add(field, "is empty; expected the name of a graph output");
  }
  const std::pair<const char*, float> thresholds[] = {
      {"ssd.confidence_threshold", head.confidence_threshold()},
      {"ssd.nms_iou_threshold", head.nms_iou_threshold()}};
  for (const auto& [field, value] : thresholds) {
    if (!(value > 0 && value < 1)) {
      problems.Add(field, "is %g; expected above 0 and below 1", value);
    }
  }
  if (head.top_k() < 1) problems.Add("ssd.top_k", "is %d; expected at least 1", head.top_k());
  return problems.ToStatus();
}

// IoU > threshold without a division; an empty box overlaps nothing.
bool OverlapsMoreThan(const data::Box& a, const data::Box& b, float threshold) {
  const float w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const float h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  if (w <= 0 || h <= 0) return false;
  const float both = w * h;
  return both > threshold * (a.width() * a.height() + b.width() * b.height() - both);
}

bool Finite(const data::Box& box) {
  return std::isfinite(box.x1) && std::isfinite(box.y1) && std::isfinite(box.x2) &&
         std::isfinite(box.y2);
}

}  // namespace

std::vector<int> NonMaximumSuppression(absl::Span<const ScoredBox> boxes, float iou_threshold,
                                       int max_boxes) {
  std::vector<int> order(boxes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return boxes[a].score > boxes[b].score; });
  std::vector<int> kept;
  for (const int i : order) {
    if (static_cast<int>(kept.size()) >= max_boxes) break;
    const bool free = std::none_of(kept.begin(), kept.end(), [&](int k) {
      return OverlapsMoreThan(boxes[k].box, boxes[i].box, iou_threshold);
    });
    if (free) kept.push_back(i);
  }
  return kept;
}

absl::StatusOr<std::unique_ptr<SsdDecoder>> SsdDecoder::Create(const ModelRecord& record) {
  TY_RETURN_IF_ERROR(CheckHead(record));
  const SsdHead& head = record.ssd();
  TY_ASSIGN_OR_RETURN(const AnchorSet set,
                      MakeAnchors(head, record.preprocess().width(), record.preprocess().height()));
  TY_ASSIGN_OR_RETURN(const auto variances, VariancesOf(head));
  auto decoder = std::unique_ptr<SsdDecoder>(new SsdDecoder());
  decoder->confidence_ = head.confidence_output();
  decoder->location_ = head.location_output();
  decoder->anchors_.reserve(set.anchors.size());
  for (const Anchor& a : set.anchors) {
    decoder->anchors_.push_back({static_cast<float>(a.cx), static_cast<float>(a.cy),
                                 static_cast<float>(a.w), static_cast<float>(a.h)});
  }
  std::copy(variances.begin(), variances.end(), decoder->variances_);
  decoder->classes_ = record.classes_size() + 1;
  decoder->confidence_threshold_ = head.confidence_threshold();
  // softmax_k <= sigmoid(logit_k - logit_0), so a score above t needs a lead of logit(t). The slack
  // is far above the rounding of exp.
  const double t = head.confidence_threshold();
  decoder->least_logit_lead_ = static_cast<float>(std::log(t / (1 - t)) - 1e-3);
  decoder->nms_iou_threshold_ = head.nms_iou_threshold();
  decoder->top_k_ = head.top_k();
  return decoder;
}

absl::Status SsdDecoder::CheckShapes(absl::Span<const Tensor> outputs) const {
  if (outputs.size() != 2) {
    return absl::InvalidArgumentError(absl::StrCat("SSD has 2 outputs (", confidence_, ", ",
                                                   location_, "); got ", outputs.size()));
  }
  const int64_t batch = outputs[0].rank() > 0 ? outputs[0].dim(0) : 0;
  const auto anchors = static_cast<int64_t>(anchors_.size());
  const std::pair<const std::string&, Shape> expected[] = {
      {confidence_, {batch, anchors, classes_}}, {location_, {batch, anchors, 4}}};
  for (size_t i = 0; i < 2; ++i) {
    const auto& [name, shape] = expected[i];
    if (outputs[i].dtype() != DType::kFloat32 || outputs[i].shape() != shape) {
      return absl::InvalidArgumentError(
          absl::StrCat("output '", name, "' is ", NameOf(outputs[i].dtype()), " ",
                       ShapeText(outputs[i].shape()), "; expected f32 ", ShapeText(shape)));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::vector<data::Detection>>> SsdDecoder::Decode(
    absl::Span<const Tensor> outputs) const {
  TY_RETURN_IF_ERROR(CheckShapes(outputs));
  const float* logits = outputs[0].data<float>().data();
  const float* offsets = outputs[1].data<float>().data();
  const auto anchors = static_cast<int64_t>(anchors_.size());
  std::vector<std::vector<data::Detection>> images;
  for (int64_t i = 0; i < outputs[0].dim(0); ++i) {
    images.push_back(DecodeImage(logits + i * anchors * classes_, offsets + i * anchors * 4));
  }
  return images;
}

data::Box SsdDecoder::DecodeAnchor(int64_t anchor, const float* offsets) const {
  const CenterBox& a = anchors_[anchor];
  const float* p = offsets + anchor * 4;
  const float cx = p[0] * variances_[0] * a.w + a.cx;
  const float cy = p[1] * variances_[1] * a.h + a.cy;
  const float w = std::exp(p[2] * variances_[2]) * a.w;
  const float h = std::exp(p[3] * variances_[3]) * a.h;
  return {cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2};
}

std::vector<data::Detection> SsdDecoder::DecodeImage(const float* logits,
                                                     const float* offsets) const {
  std::vector<std::vector<ScoredBox>> by_class(classes_ - 1);
  for (int64_t anchor = 0; anchor < static_cast<int64_t>(anchors_.size()); ++anchor) {
    const float* l = logits + anchor * classes_;
    const float best = *std::max_element(l + 1, l + classes_);
    // False for NaN, too.
    if (!(best - l[0] > least_logit_lead_)) continue;
    const float highest = std::max(best, l[0]);
    float sum = 0;
    for (int64_t k = 0; k < classes_; ++k) sum += std::exp(l[k] - highest);
    if (!(std::exp(best - highest) / sum > confidence_threshold_)) continue;
    const data::Box box = DecodeAnchor(anchor, offsets);
    if (!Finite(box)) continue;
    for (int64_t k = 1; k < classes_; ++k) {
      const float score = std::exp(l[k] - highest) / sum;
      if (score > confidence_threshold_) by_class[k - 1].push_back({box, score});
    }
  }
  std::vector<data::Detection> found;
  for (int64_t k = 1; k < classes_; ++k) {
    const std::vector<ScoredBox>& boxes = by_class[k - 1];
    for (const int i : NonMaximumSuppression(boxes, nms_iou_threshold_, top_k_)) {
      found.push_back({boxes[i].box, static_cast<int>(k), boxes[i].score});
    }
  }
  std::stable_sort(
      found.begin(), found.end(),
      [](const data::Detection& a, const data::Detection& b) { return a.score > b.score; });
  if (found.size() > static_cast<size_t>(top_k_)) found.resize(top_k_);
  return found;
}

}  // namespace trainyard::networks
