#include "libs/data/tfrecord/example.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/data_example_proto.h"
#include "tests/support/status_matchers.h"

namespace trainyard::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::ExampleProto;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::StatusIs;

DetectionExample TwoObjects() {
  return {.id = "images/7",
          .height = 300,
          .width = 400,
          .encoded = std::string("\x00\xFF", 2),
          .class_ids = {1, 3},
          .truncation = {0, 0.5f},
          .occlusion = {0, 2},
          .observation_angle = {-1.5f, 0},
          .x1 = {0.1f, -0.25f},
          .y1 = {0.2f, 0},
          .x2 = {0.5f, 1.25f},
          .y2 = {0.75f, 1},
          .world_h = {1, 2},
          .world_w = {3, 4},
          .world_l = {5, 6},
          .world_x = {7, 8},
          .world_y = {9, 10},
          .world_z = {11, 12},
          .world_rot_y = {-1, 1}};
}

std::string Entry(const std::string& key, const std::string& value) {
  return absl::StrCat("feature { key: \"", key, "\" value { ", value, " } } ");
}

// A minimal record in text format; `extra` is added to it.
std::string Minimal(const std::string& extra = "") {
  return absl::StrCat("features { ", Entry("frame/id", "bytes_list { value: \"a\" }"),
                      Entry("frame/encoded", "bytes_list { value: \"jpeg\" }"),
                      Entry("frame/height", "int64_list { value: 10 }"),
                      Entry("frame/width", "int64_list { value: 20 }"),
                      Entry("target/object_class_id", "float_list { value: 2 }"),
                      Entry("target/coordinates_x1", "float_list { value: 0.25 }"),
                      Entry("target/coordinates_y1", "float_list { value: 0.5 }"),
                      Entry("target/coordinates_x2", "float_list { value: 0.75 }"),
                      Entry("target/coordinates_y2", "float_list { value: 1 }"), extra, "}");
}

TEST(EncodeExampleTest, IsWhatProtobufReads) {
  std::string text = ExampleProto().TextOf(EncodeExample(TwoObjects()));
  absl::RemoveExtraAsciiWhitespace(&text);
  const auto has = [&text](const std::string& key, const std::string& value) {
    EXPECT_THAT(text, HasSubstr(absl::StrCat("key: \"", key, "\" value { ", value)));
  };
  has("frame/id", "bytes_list { value: \"images/7\" }");
  has("frame/height", "int64_list { value: 300 }");
  has("frame/width", "int64_list { value: 400 }");
  has("frame/encoded", "bytes_list { value: \"\\000\\377\" }");
  has("target/object_class_id", "float_list { value: 1 value: 3 }");
  has("target/truncation", "float_list { value: 0 value: 0.5 }");
  has("target/occlusion", "int64_list { value: 0 value: 2 }");
  has("target/observation_angle", "float_list { value: -1.5 value: 0 }");
  has("target/coordinates_x1", "float_list { value: 0.1 value: -0.25 }");
  has("target/coordinates_y2", "float_list { value: 0.75 value: 1 }");
  has("target/world_bbox_rot_y", "float_list { value: -1 value: 1 }");
}

TEST(EncodeExampleTest, HasTheNineteenFeaturesOfTheFormatAndNoOther) {
  const auto message = ExampleProto().TextOf(EncodeExample(TwoObjects()));
  int keys = 0;
  for (size_t at = message.find("key:"); at != std::string::npos;
       at = message.find("key:", at + 1)) {
    ++keys;
  }
  EXPECT_EQ(keys, 19);
}

TEST(EncodeExampleTest, KeepsTheKindOfEmptyLists) {
  const std::string text =
      ExampleProto().TextOf(EncodeExample({.id = "a", .height = 1, .width = 1, .encoded = "x"}));
  EXPECT_THAT(text, HasSubstr("float_list {\n"));
  EXPECT_THAT(text, HasSubstr("key: \"target/occlusion\""));
}

TEST(DecodeExampleTest, ReadsWhatWasWritten) {
  const DetectionExample written = TwoObjects();
  const auto read = DecodeExample(EncodeExample(written));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->id, written.id);
  EXPECT_EQ(read->encoded, written.encoded);
  EXPECT_EQ(read->height, 300);
  EXPECT_EQ(read->width, 400);
  EXPECT_EQ(read->class_ids, written.class_ids);
  EXPECT_EQ(read->occlusion, written.occlusion);
  EXPECT_EQ(read->x1, written.x1);
  EXPECT_EQ(read->y2, written.y2);
  EXPECT_EQ(read->world_rot_y, written.world_rot_y);
}

TEST(DecodeExampleTest, ReadsWhatProtobufWrote) {
  ExampleProto proto;
  const auto read =
      DecodeExample(proto.BytesOf(Minimal(Entry("target/occlusion", "int64_list { value: -1 }") +
                                          Entry("unknown", "bytes_list { value: \"whatever\" }"))));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->id, "a");
  EXPECT_EQ(read->width, 20);
  EXPECT_THAT(read->class_ids, ElementsAre(2));
  EXPECT_THAT(read->x2, ElementsAre(0.75f));
  EXPECT_THAT(read->occlusion, ElementsAre(-1));
  EXPECT_THAT(read->truncation, IsEmpty());
}

TEST(DecodeExampleTest, ReadsListsThatAreNotPacked) {
  // Feature { float_list { value: 1.0 } } as field 1 of wire type 5 (fixed 32 bits).
  const auto put = [](std::string& out, char tag, const std::string& content) {
    out += tag;
    out += static_cast<char>(content.size());
    out += content;
  };
  std::string list("\x0D\x00\x00\x80\x3F\x0D\x00\x00\x00\x40", 10), feature, entry, features,
      example;
  put(feature, 0x12, list);
  put(entry, 0x0A, "target/truncation");
  put(entry, 0x12, feature);
  put(features, 0x0A, entry);
  put(example, 0x0A, features);
  // Two Examples one after another merge.
  const std::string two = absl::StrReplaceAll(Minimal(), {{"value: 2 }", "value: 2 value: 2 }"},
                                                          {"value: 0.25 }", "value: 0 value: 0 }"},
                                                          {"value: 0.5 }", "value: 0 value: 0 }"},
                                                          {"value: 0.75 }", "value: 1 value: 1 }"},
                                                          {"value: 1 }", "value: 1 value: 1 }"}});
  const auto read = DecodeExample(ExampleProto().BytesOf(two) + example);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(read->truncation, ElementsAre(1, 2));
}

TEST(DecodeExampleTest, NamesAMissingFeature) {
  ExampleProto proto;
  const std::string text = absl::StrReplaceAll(Minimal(), {{"target/coordinates_y1", "other"}});
  EXPECT_THAT(DecodeExample(proto.BytesOf(text)),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("feature 'target/coordinates_y1' is missing")));
  EXPECT_THAT(DecodeExample(""), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("it has none")));
}

TEST(DecodeExampleTest, NamesAFeatureOfAnotherKindOrLength) {
  ExampleProto proto;
  EXPECT_THAT(
      DecodeExample(proto.BytesOf(Minimal(Entry("target/truncation", "int64_list { value: 1 }")))),
      StatusIs(absl::StatusCode::kDataLoss,
               HasSubstr("'target/truncation' is a list of int64; expected float")));
  EXPECT_THAT(
      DecodeExample(proto.BytesOf(
          Minimal(Entry("target/coordinates_x2", "float_list { value: 1 value: 2 }")))),
      StatusIs(absl::StatusCode::kDataLoss, HasSubstr("'target/coordinates_x2' has 2 values, "
                                                      "'target/object_class_id' has 1")));
  EXPECT_THAT(DecodeExample(proto.BytesOf(
                  Minimal(Entry("target/coordinates_x2", "float_list { value: nan }")))),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("holds nan")));
  EXPECT_THAT(
      DecodeExample(proto.BytesOf(Minimal(Entry("frame/width", "int64_list { value: 0 }")))),
      StatusIs(absl::StatusCode::kDataLoss, HasSubstr("0 x 10")));
}

TEST(DecodeExampleTest, NeverCrashesOnDamagedBytes) {
  const std::string whole = EncodeExample(TwoObjects());
  for (size_t at = 0; at < whole.size(); ++at) {
    EXPECT_FALSE(DecodeExample(whole.substr(0, at)).ok()) << at;
    for (const int change : {0x01, 0x80, 0xFF}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ change);
      (void)DecodeExample(changed);
    }
  }
}

// Features in text format, as TensorFlow's own scripts write them.
std::string ObjectDetection(const std::string& extra = "") {
  return absl::StrCat(
      "features { ", Entry("image/encoded", "bytes_list { value: \"jpeg\" }"),
      Entry("image/filename", "bytes_list { value: \"a/b.c.jpg\" }"),
      Entry("image/source_id", "bytes_list { value: \"17\" }"),
      Entry("image/height", "int64_list { value: 10 }"), Entry("image/width", "int64_list { value: 20 }"),
      Entry("image/object/bbox/xmin", "float_list { value: 0.1 value: 0.2 }"),
      Entry("image/object/bbox/ymin", "float_list { value: 0.3 value: 0.4 }"),
      Entry("image/object/bbox/xmax", "float_list { value: 0.5 value: 0.6 }"),
      Entry("image/object/bbox/ymax", "float_list { value: 0.7 value: 0.8 }"),
      Entry("image/object/class/text", "bytes_list { value: \"Car\" value: \"traffic light\" }"),
      extra, "}");
}
std::string DetectNet(const std::string& extra = "") {
  return absl::StrCat(
      "features { ", Entry("frame/id", "bytes_list { value: \"training/image_2/000012\" }"),
      Entry("frame/height", "int64_list { value: 100 }"), Entry("frame/width", "int64_list { value: 400 }"),
      Entry("target/object_class", "bytes_list { value: \"car\" }"),
      Entry("target/occlusion", "int64_list { value: 2 }"),
      Entry("target/coordinates_x1", "float_list { value: 40 }"),
      Entry("target/coordinates_y1", "float_list { value: 25 }"),
      Entry("target/coordinates_x2", "float_list { value: 100 }"),
      Entry("target/coordinates_y2", "float_list { value: 50 }"), extra, "}");
}
std::string Without(const std::string& text, const std::string& feature) {
  return absl::StrReplaceAll(text, {{absl::StrCat("\"", feature, "\""), "\"other\""}});
}
auto Decode(const std::string& text) { return DecodeExample(ExampleProto().BytesOf(text)); }

TEST(DecodeExampleTest, ReadsRecordsOfTheObjectDetectionApi) {
  const auto read = Decode(ObjectDetection(Entry("image/object/difficult", "int64_list { value: 0 value: 1 }") +
                                           Entry("image/object/truncated", "int64_list { value: 1 value: 0 }")));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->form, RecordForm::kObjectDetection);
  EXPECT_EQ(read->id, "a/b.c");
  EXPECT_EQ(read->encoded, "jpeg");
  EXPECT_EQ(read->width, 20);
  EXPECT_EQ(read->height, 10);
  EXPECT_THAT(read->class_names, ElementsAre("Car", "traffic light"));
  EXPECT_THAT(read->class_ids, IsEmpty());
  EXPECT_THAT(read->x1, ElementsAre(0.1f, 0.2f));
  EXPECT_THAT(read->y1, ElementsAre(0.3f, 0.4f));
  EXPECT_THAT(read->x2, ElementsAre(0.5f, 0.6f));
  EXPECT_THAT(read->y2, ElementsAre(0.7f, 0.8f));
  EXPECT_THAT(read->occlusion, ElementsAre(0, 1));
  EXPECT_THAT(read->truncation, ElementsAre(1, 0));
}

TEST(DecodeExampleTest, ACrowdIsDifficultAndANumberStandsForAClassWithoutText) {
  const auto read = Decode(Without(
      ObjectDetection(Entry("image/object/class/label", "int64_list { value: 3 value: 90 }") +
                      Entry("image/object/is_crowd", "int64_list { value: 1 value: 0 }")),
      "image/object/class/text"));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(read->class_names, ElementsAre("3", "90"));
  EXPECT_THAT(read->occlusion, ElementsAre(1, 0));
}

TEST(DecodeExampleTest, OfTheObjectDetectionApiSizeAndNameMayBeMissing) {
  std::string text = ObjectDetection();
  for (const char* name : {"image/height", "image/width", "image/filename"}) text = Without(text, name);
  const auto read = Decode(text);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->width, 0);
  EXPECT_EQ(read->id, "17");
}

TEST(DecodeExampleTest, NamesWhatIsWrongInARecordOfTheObjectDetectionApi) {
  EXPECT_THAT(Decode(Without(ObjectDetection(), "image/object/bbox/ymax")),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("'image/object/bbox/ymax' is missing")));
  EXPECT_THAT(Decode(Without(ObjectDetection(), "image/object/class/text")),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("its objects have no class")));
  EXPECT_THAT(Decode(ObjectDetection(Entry("image/object/class/label", "int64_list { value: 3 }"))),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("'image/object/class/label' has 1 values, 'image/object/bbox/xmin' has 2")));
  EXPECT_THAT(Decode(absl::StrReplaceAll(ObjectDetection(), {{"0.7", "inf"}})),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("'image/object/bbox/ymax' holds inf")));
  EXPECT_THAT(Decode(absl::StrReplaceAll(ObjectDetection(), {{"value: 20 }", "value: -20 }"}})),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("claims to be -20 x 10")));
}

TEST(DecodeExampleTest, ReadsRecordsOfDetectNetWhoseCornersArePixels) {
  const auto read = Decode(DetectNet());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->form, RecordForm::kDetectNet);
  EXPECT_EQ(read->id, "training/image_2/000012");
  EXPECT_THAT(read->encoded, IsEmpty());
  EXPECT_THAT(read->class_names, ElementsAre("car"));
  EXPECT_THAT(read->x1, ElementsAre(0.1f));
  EXPECT_THAT(read->y1, ElementsAre(0.25f));
  EXPECT_THAT(read->x2, ElementsAre(0.25f));
  EXPECT_THAT(read->y2, ElementsAre(0.5f));
  EXPECT_THAT(read->occlusion, ElementsAre(2));
  EXPECT_THAT(Decode(Without(DetectNet(), "target/object_class")),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("'target/object_class' is missing")));
}

TEST(DecodeExampleTest, RefusesRecordsThatMixForms) {
  const std::string id = Entry("frame/id", "bytes_list { value: \"x\" }");
  EXPECT_THAT(Decode(ObjectDetection(id)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("TAO's converter"), HasSubstr("Object Detection API"))));
  const std::string names = Entry("target/object_class", "bytes_list { value: \"x\" }");
  EXPECT_THAT(Decode(Minimal(names)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("mixes two forms of TAO's converter: frame/encoded and "
                                 "target/object_class_id")));
  EXPECT_THAT(Decode(Without(Minimal(), "frame/encoded")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no frame/encoded")));
}

TEST(DecodeExampleTest, RefusesRecordsThatAreNotOfDetection) {
  const auto decode = [](const std::string& features) {
    return Decode("features { " + features + " }").status();
  };
  EXPECT_THAT(decode(Entry("image/encoded", "bytes_list { value: \"x\" }")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("classification")));
  EXPECT_THAT(decode(Entry("label", "int64_list { value: 1 }")),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("it has label")));
}

TEST(DecodeExampleTest, EachListHasOneValueAnObjectOrNone) {
  DetectionExample example = TwoObjects();
  example.occlusion = {0};
  EXPECT_THAT(DecodeExample(EncodeExample(example)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("'target/occlusion' has 1 values")));
  example.occlusion = {};
  EXPECT_TRUE(DecodeExample(EncodeExample(example)).ok());
  example.truncation = {0, 0, 0.5f};
  EXPECT_THAT(DecodeExample(EncodeExample(example)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("'target/truncation' has 3 values")));
}

}  // namespace
}  // namespace trainyard::data
