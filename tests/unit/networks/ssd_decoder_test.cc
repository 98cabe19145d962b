#include "libs/networks/ssd/ssd_decoder.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "libs/base/random.h"
#include "libs/networks/ssd/anchors.h"
#include "libs/networks/ssd/matching.h"
#include "tests/support/detection_heads.h"
#include "tests/support/status_matchers.h"

namespace trainyard::networks {
namespace {

using model::v1::ModelRecord;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::MakeHead;
using testing::StatusIs;

ModelRecord MakeRecord(int classes, std::vector<std::pair<int, int>> maps, int side = 300) {
  ModelRecord record;
  record.set_network("ssd");
  for (int i = 0; i < classes; ++i) record.add_classes(std::string(1, static_cast<char>('a' + i)));
  record.mutable_preprocess()->set_width(side);
  record.mutable_preprocess()->set_height(side);
  *record.mutable_ssd() = MakeHead(side, side, maps, {4, 4, 4});
  return record;
}

struct Outputs {
  Tensor logits, offsets;
};
Outputs Background(const ModelRecord& record, int64_t batch = 1) {
  const int64_t anchors = AnchorCount(record.ssd()), k = record.classes_size() + 1;
  Outputs out{Tensor::Zeros(DType::kFloat32, {batch, anchors, k}),
              Tensor::Zeros(DType::kFloat32, {batch, anchors, 4})};
  const auto logits = out.logits.data<float>();
  for (size_t i = 0; i < logits.size(); i += k) logits[i] = 12;
  return out;
}
std::vector<std::vector<data::Detection>> Decode(const ModelRecord& record, const Outputs& out) {
  return SsdDecoder::Create(record).value()->Decode({out.logits, out.offsets}).value();
}

// The reference row uses anchor corners (.25, .5, .96124919, .96124919); its result in pixels is
// (127.67308, 148.65036, 130.63277, 151.04959). A head with one cell is bent to give that anchor:
// the corners make centre .605624595, .730624595 and size .71124919, .46124919.
TEST(SsdDecoderTest, DecodesTheReferenceRow) {
  ModelRecord record = MakeRecord(1, {{1, 1}});
  auto* map = record.mutable_ssd()->mutable_maps(0);
  const double w = 0.71124919, h = 0.46124919;
  record.mutable_ssd()->set_two_boxes_for_ar1(false);
  map->clear_aspect_ratios();
  map->add_aspect_ratios(w / h);
  map->set_scale(std::sqrt(w * h));
  map->set_step_x(1);
  map->set_step_y(1);
  map->set_offset_x(0.605624595 * 300);
  map->set_offset_y(0.730624595 * 300);
  Outputs out = Background(record);
  out.logits = Tensor::Of<float>({1, 1, 2}, {0.0f, std::log(9.0f)});
  out.offsets =
      Tensor::Of<float>({1, 1, 4}, {-2.46207404f, -5.01084082f, -21.38983255f, -20.27411479f});
  const auto found = Decode(record, out);
  ASSERT_EQ(found[0].size(), 1u);
  EXPECT_NEAR(found[0][0].score, 0.9, 1e-6);
  EXPECT_NEAR(found[0][0].box.x1 * 300, 127.67308, 1e-4);
  EXPECT_NEAR(found[0][0].box.y1 * 300, 148.65036, 1e-4);
  EXPECT_NEAR(found[0][0].box.x2 * 300, 130.63277, 1e-4);
  EXPECT_NEAR(found[0][0].box.y2 * 300, 151.04959, 1e-4);
}

// What the encoder encodes, the decoder decodes.
TEST(SsdDecoderTest, UndoesTheTargetEncoder) {
  const ModelRecord record = MakeRecord(3, {{10, 10}, {5, 5}});
  const auto encoder = SsdTargetEncoder::Create(record.ssd(), 300, 300, {}).value();
  const data::LabelledBox truth[] = {{.box = {30, 40, 75, 90}, .class_id = 2},
                                     {.box = {200, 100, 230, 125}, .class_id = 3}};
  const std::vector<Tensor> targets = encoder.Encode(truth).value();
  Outputs out = Background(record);
  const auto classes = targets[0].data<int32_t>();
  for (size_t a = 0; a < classes.size(); ++a) {
    if (classes[a] > 0) out.logits.data<float>()[a * 4 + classes[a]] = 30;
  }
  out.offsets = Tensor::Of<float>({1, encoder.anchors().size(), 4}, targets[1].data<float>());
  const auto found = Decode(record, out);
  ASSERT_EQ(found[0].size(), 2u);
  for (const data::Detection& one : found[0]) {
    const data::Box& box = truth[one.class_id - 2].box;
    EXPECT_NEAR(one.box.x1 * 300, box.x1, 1e-3);
    EXPECT_NEAR(one.box.y1 * 300, box.y1, 1e-3);
    EXPECT_NEAR(one.box.x2 * 300, box.x2, 1e-3);
    EXPECT_NEAR(one.box.y2 * 300, box.y2, 1e-3);
    EXPECT_GT(one.score, 0.99);
  }
}

// Softmax over everything, decode everything, suppress by the plain rule: slow and obvious.
std::vector<data::Detection> SlowDecode(const ModelRecord& record, const Outputs& out) {
  const auto& head = record.ssd();
  const AnchorSet set = MakeAnchors(head, 300, 300).value();
  const int64_t k = record.classes_size() + 1;
  std::vector<data::Detection> all;
  for (int64_t c = 1; c < k; ++c) {
    std::vector<data::Detection> own;
    for (int64_t a = 0; a < set.size(); ++a) {
      const float* l = out.logits.data<float>().data() + a * k;
      double sum = 0;
      for (int64_t i = 0; i < k; ++i) sum += std::exp(double{l[i]});
      const double score = std::exp(double{l[c]}) / sum;
      if (score <= head.confidence_threshold()) continue;
      const float* p = out.offsets.data<float>().data() + a * 4;
      const Anchor& anchor = set.anchors[a];
      const double cx = p[0] * 0.1 * anchor.w + anchor.cx, cy = p[1] * 0.1 * anchor.h + anchor.cy;
      const double w = std::exp(p[2] * 0.2) * anchor.w, h = std::exp(p[3] * 0.2) * anchor.h;
      own.push_back(
          {.box = {float(cx - w / 2), float(cy - h / 2), float(cx + w / 2), float(cy + h / 2)},
           .class_id = static_cast<int>(c),
           .score = static_cast<float>(score)});
    }
    std::stable_sort(own.begin(), own.end(),
                     [](const auto& a, const auto& b) { return a.score > b.score; });
    std::vector<data::Detection> kept;
    for (const data::Detection& one : own) {
      bool free = static_cast<int>(kept.size()) < head.top_k();
      for (const data::Detection& k2 : kept)
        free &= data::IoU(one.box, k2.box) <= head.nms_iou_threshold();
      if (free) kept.push_back(one);
    }
    all.insert(all.end(), kept.begin(), kept.end());
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.score > b.score; });
  if (all.size() > static_cast<size_t>(head.top_k())) all.resize(head.top_k());
  return all;
}

TEST(SsdDecoderTest, AgreesWithTheSlowReference) {
  for (uint64_t trial = 0; trial < 20; ++trial) {
    ModelRecord record = MakeRecord(3, {{10, 10}, {5, 5}, {3, 3}});
    record.mutable_ssd()->set_top_k(trial % 2 == 0 ? 200 : 7);
    record.mutable_ssd()->set_confidence_threshold(trial % 3 == 0 ? 0.01f : 0.3f);
    Outputs out = Background(record);
    Philox random(3, 0, trial, RandomPurpose::kSampleData);
    for (float& value : out.logits.data<float>()) value = static_cast<float>(2 * random.Normal());
    for (float& value : out.offsets.data<float>()) value = static_cast<float>(random.Normal());
    const auto expected = SlowDecode(record, out);
    const auto found = Decode(record, out)[0];
    ASSERT_EQ(found.size(), expected.size()) << "trial " << trial;
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].class_id, expected[i].class_id);
      EXPECT_NEAR(found[i].score, expected[i].score, 1e-6);
      EXPECT_NEAR(found[i].box.x1, expected[i].box.x1, 1e-5);
      EXPECT_NEAR(found[i].box.y2, expected[i].box.y2, 1e-5);
    }
  }
}

TEST(SsdDecoderTest, DecodesEachImageOfABatchForItself) {
  const ModelRecord record = MakeRecord(2, {{4, 4}});
  Outputs out = Background(record, 3);
  const int64_t anchors = AnchorCount(record.ssd());
  out.logits.data<float>()[(2 * anchors + 5) * 3 + 1] = 20;
  const auto found = Decode(record, out);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_TRUE(found[0].empty());
  EXPECT_TRUE(found[1].empty());
  ASSERT_EQ(found[2].size(), 1u);
  EXPECT_EQ(found[2][0].class_id, 1);
}

TEST(SsdDecoderTest, AnAnchorThatIsNotFiniteFindsNothing) {
  const ModelRecord record = MakeRecord(1, {{2, 2}});
  Outputs out = Background(record);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  out.logits.data<float>()[0] = nan;
  out.logits.data<float>()[3] = nan;
  out.logits.data<float>()[5] = infinity;
  out.logits.data<float>()[7] = 30;
  out.offsets.data<float>()[3 * 4 + 2] = 1e6f;  // exp overflows
  EXPECT_TRUE(Decode(record, out)[0].empty());
}

TEST(SsdDecoderTest, WrongShapesAreToldWithWhatWasExpected) {
  const ModelRecord record = MakeRecord(2, {{2, 2}});
  const auto decoder = SsdDecoder::Create(record).value();
  EXPECT_THAT(decoder->output_names(), ElementsAre("mbox_conf", "mbox_loc"));
  const Outputs out = Background(record);
  EXPECT_THAT(decoder->Decode({out.logits}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("2 outputs")));
  EXPECT_THAT(
      decoder->Decode({out.offsets, out.logits}),
      StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr("'mbox_conf' is f32 [1, 16, 4]"),
                                                         HasSubstr("expected f32 [1, 16, 3]"))));
}

TEST(SsdDecoderTest, NamesEveryProblemOfARecord) {
  ModelRecord record = MakeRecord(1, {{2, 2}});
  record.clear_classes();
  record.mutable_ssd()->set_top_k(0);
  record.mutable_ssd()->set_nms_iou_threshold(1);
  record.mutable_ssd()->clear_location_output();
  EXPECT_THAT(SsdDecoder::Create(record),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("classes is empty"), HasSubstr("ssd.top_k is 0"),
                             HasSubstr("ssd.nms_iou_threshold is 1"),
                             HasSubstr("ssd.location_output is empty"))));
  EXPECT_THAT(SsdDecoder::Create(ModelRecord()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no ssd head")));
}

TEST(NonMaximumSuppressionTest, KeepsTheBestAndWhatOverlapsItLittle) {
  // IoU of neighbours: 5 / 15 = 1/3; exactly at the threshold a box stays.
  const ScoredBox boxes[] = {
      {{0, 0, 10, 1}, 0.5f}, {{5, 0, 15, 1}, 0.9f}, {{20, 0, 30, 1}, 0.9f}, {{5, 0, 15, 1}, 0.8f}};
  EXPECT_THAT(NonMaximumSuppression(boxes, 0.3f, 10), ElementsAre(1, 2));
  EXPECT_THAT(NonMaximumSuppression(boxes, 0.4f, 10), ElementsAre(1, 2, 0));
  EXPECT_THAT(NonMaximumSuppression(boxes, 0.4f, 1), ElementsAre(1));
  EXPECT_THAT(NonMaximumSuppression({}, 0.4f, 1), ElementsAre());
}

}  // namespace
}  // namespace trainyard::networks
