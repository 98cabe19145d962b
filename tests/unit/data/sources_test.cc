#include "libs/data/sources.h"

#include <cmath>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/base/records.h"
#include "libs/data/tfrecord/example.h"
#include "libs/data/tfrecord/manifest.h"
#include "tests/support/data_example_proto.h"
#include "tests/support/data_pictures.h"
#include "tests/support/exif.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::BoxesAt;
using testing::KittiLine;
using ::testing::Pair;
using testing::PixelAt;
using testing::PlainPicture;
using testing::Rgb;
using ::testing::SizeIs;
using testing::StatusIs;
using testing::TemporaryFolder;
using ::testing::UnorderedElementsAre;
using testing::WriteKittiFrame;

class OpenSourcesTest : public ::testing::Test {
 protected:
  DataSource Folder() const {
    return {.image_dir = folder_ / "images", .label_dir = folder_ / "labels"};
  }
  DataSource Shards(const std::string& path) const { return {.tfrecords = folder_ / path}; }

  void Frame(const std::string& name, const std::string& labels, Rgb colour = {1, 2, 3}) {
    WriteKittiFrame(folder_.path(), name, PlainPicture(40, 20, colour), labels);
  }

  DetectionExample Record(const std::string& id, std::vector<float> classes) const {
    const std::vector<float> quarter(classes.size(), 0.25f), half(classes.size(), 0.5f);
    return {.id = id,
            .height = 20,
            .width = 40,
            .encoded = EncodePng(PlainPicture(40, 20, {9, 8, 7})).value(),
            .class_ids = classes,
            .occlusion = std::vector<int64_t>(classes.size(), 1),
            .x1 = quarter,
            .y1 = quarter,
            .x2 = half,
            .y2 = half};
  }
  void WriteShard(const std::string& name, const std::vector<DetectionExample>& examples) const {
    std::string bytes;
    for (const DetectionExample& e : examples) bytes += FrameRecord(EncodeExample(e));
    folder_.Write(name, bytes);
  }

  TemporaryFolder folder_;
};

TEST_F(OpenSourcesTest, ReadsKittiFoldersWithTheMapping) {
  Frame("b", KittiLine("Van", {1, 2, 11, 12}) + KittiLine("DontCare", {0, 0, 3, 3}));
  Frame("a", KittiLine("person", {4, 4, 8, 9}, 2), {50, 60, 70});
  const auto opened =
      OpenSources({Folder()}, {.class_mapping = {{"van", "Car"}, {"person", "Pedestrian"}}});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_THAT(opened->classes, ElementsAre("car", "pedestrian"));
  EXPECT_THAT(opened->class_counts, UnorderedElementsAre(Pair("car", 1), Pair("pedestrian", 1)));
  EXPECT_THAT(opened->unmapped_counts, UnorderedElementsAre(Pair("dontcare", 1)));
  ASSERT_EQ(opened->source->size(), 2);
  EXPECT_EQ(opened->source->Id(0), "images/a");
  const auto sample = opened->source->Get(0);
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(sample->image.shape(), (Shape{20, 40, 3}));
  EXPECT_EQ(PixelAt(sample->image, 3, 3), (Rgb{50, 60, 70}));
  ASSERT_THAT(BoxesOf(sample->truth.get()), SizeIs(1));
  EXPECT_EQ(BoxesOf(sample->truth.get())[0].class_id, 2);
  EXPECT_TRUE(BoxesOf(sample->truth.get())[0].difficult);
  EXPECT_EQ(BoxesOf(sample->truth.get())[0].box, (Box{4, 4, 8, 9}));
  EXPECT_THAT(BoxesAt(*opened->source, 1), SizeIs(1));
}

TEST_F(OpenSourcesTest, WithoutAMappingEachClassStaysAsItIs) {
  Frame("a", KittiLine("WBC", {1, 2, 11, 12}) + KittiLine("rbc", {0, 0, 3, 3}));
  const auto opened = OpenSources({Folder()}, {});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_THAT(opened->classes, ElementsAre("rbc", "wbc"));
  EXPECT_THAT(opened->notes, ElementsAre(HasSubstr("rbc, wbc")));
}

TEST_F(OpenSourcesTest, DifficultBoxesAreCountedAndMayBeNeutral) {
  Frame("a", KittiLine("x", {1, 2, 11, 12}, 1) + KittiLine("x", {0, 0, 3, 3}));
  auto opened = OpenSources({Folder()}, {.include_difficult = false});
  ASSERT_TRUE(opened.ok()) << opened.status();
  std::vector<LabelledBox> labels = BoxesAt(*opened->source, 0);
  ASSERT_THAT(labels, SizeIs(2));
  EXPECT_TRUE(labels[0].difficult && labels[0].neutral);
  EXPECT_FALSE(labels[1].difficult || labels[1].neutral);
  EXPECT_EQ(opened->class_counts.at("x"), 1);
  EXPECT_EQ(opened->difficult, 1);
  EXPECT_EQ(opened->neutral, 1);

  opened = OpenSources({Folder()}, {});
  ASSERT_TRUE(opened.ok()) << opened.status();
  labels = BoxesAt(*opened->source, 0);
  EXPECT_TRUE(labels[0].difficult && !labels[0].neutral);
  EXPECT_EQ(opened->class_counts.at("x"), 2);
  EXPECT_EQ(opened->difficult, 1);
  EXPECT_EQ(opened->neutral, 0);
}

TEST_F(OpenSourcesTest, LeavesBadLinesOutUnlessThereAreTooMany) {
  std::string labels;
  for (int i = 0; i < 9; ++i) labels += KittiLine("x", {0, 0, 3, 3});
  Frame("a", labels + KittiLine("x", {5, 5, 5, 9}));
  const auto opened = OpenSources({Folder()}, {});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_THAT(opened->ledger.entries, SizeIs(1));
  EXPECT_THAT(OpenSources({Folder()}, {.strict = true}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("labels/a.txt:10"), HasSubstr("with strict"))));
  Frame("a", "nonsense\n");
  EXPECT_THAT(OpenSources({Folder()}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("labels/a.txt:1")));
}

TEST_F(OpenSourcesTest, SaysWhenAnImageWentBadLater) {
  Frame("a", KittiLine("x", {0, 0, 3, 3}));
  const auto opened = OpenSources({Folder()}, {});
  ASSERT_TRUE(opened.ok()) << opened.status();
  folder_.Write("images/a.png", "");
  EXPECT_THAT(opened->source->Get(0),
              StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr("a.png"), HasSubstr("empty"))));
}

TEST_F(OpenSourcesTest, ReadsRecordsInPixelsOfTheImage) {
  WriteShard("s-fold-000-of-001", {Record("images/1", {2}), Record("images/2", {1, 2})});
  const auto opened = OpenSources({Shards("s")}, {.class_mapping = {{"a", "a"}, {"b", "b"}}});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_THAT(opened->class_counts, UnorderedElementsAre(Pair("a", 1), Pair("b", 2)));
  ASSERT_EQ(opened->source->size(), 2);
  const auto sample = opened->source->Get(1);
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(sample->id, "images/2");
  EXPECT_EQ(PixelAt(sample->image, 0, 0), (Rgb{9, 8, 7}));
  ASSERT_THAT(BoxesOf(sample->truth.get()), SizeIs(2));
  EXPECT_EQ(BoxesOf(sample->truth.get())[0].box, (Box{10, 5, 20, 10}));
  EXPECT_TRUE(BoxesOf(sample->truth.get())[0].difficult);
}

TEST_F(OpenSourcesTest, JoinsSourcesInTheirOrder) {
  Frame("a", KittiLine("a", {0, 0, 3, 3}));
  WriteShard("s-fold-000-of-001", {Record("images/1", {1})});
  const auto opened = OpenSources({Shards("s"), Folder()}, {.class_mapping = {{"a", "a"}}});
  ASSERT_TRUE(opened.ok()) << opened.status();
  ASSERT_EQ(opened->source->size(), 2);
  EXPECT_EQ(opened->source->Id(0), "images/1");
  EXPECT_EQ(opened->source->Id(1), "images/a");
  EXPECT_EQ(opened->class_counts.at("a"), 2);
}

TEST_F(OpenSourcesTest, RefusesClassNumbersBeyondTheMapping) {
  WriteShard("s-fold-000-of-001", {Record("images/1", {1}), Record("images/2", {3})});
  EXPECT_THAT(OpenSources({Shards("s")}, {.class_mapping = {{"a", "a"}, {"b", "b"}}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("record 2"), HasSubstr("'images/2' holds class number 3"),
                             HasSubstr("classes 1 to 2"))));
  WriteShard("s-fold-000-of-001", {Record("images/1", {1.5f})});
  EXPECT_THAT(OpenSources({Shards("s")}, {.class_mapping = {{"a", "a"}, {"b", "b"}}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("holds class number 1.5")));
}

TEST_F(OpenSourcesTest, WarnsOfObjectsThatTheInputDoesNotHold) {
  // Of 40 x 20: in an input of 10 x 10 the first is 0.25 pixels wide, the second 4 x 5.
  Frame("1", KittiLine("a", {4, 2, 5, 18}) + KittiLine("a", {4, 2, 20, 12}));
  WriteShard("s-fold-000-of-001", {Record("images/2", {1})});
  SourceOptions options{.class_mapping = {{"a", "a"}}, .input = {10, 10}};
  const auto opened = OpenSources({Folder(), Shards("s")}, options);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_THAT(opened->warnings,
              ElementsAre(AllOf(HasSubstr("1 of 3 objects is thinner than a pixel in the network's "
                                          "input of 10 x 10"),
                                HasSubstr("labels/1.txt:1: (4, 2, 5, 18) in 40 x 20"))));
  options.input = {40, 20};
  EXPECT_THAT(OpenSources({Folder(), Shards("s")}, options)->warnings, IsEmpty());
}

TEST_F(OpenSourcesTest, SaysWhatAFileWithoutRecordsLooksLike) {
  folder_.Write("packed", std::string("\x1F\x8B\x08\0\0\0\0\0\0\0\0\0\0\0\0\0", 16));
  folder_.Write("text", "read me");
  const SourceOptions options{.class_mapping = {{"a", "a"}}};
  EXPECT_THAT(OpenSources({Shards("packed")}, options),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("it looks like a gzip archive")));
  EXPECT_THAT(OpenSources({Shards("text")}, options),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("it looks like a text file")));
}

TEST_F(OpenSourcesTest, TheManifestMustNameTheSameClasses) {
  WriteShard("s-fold-001-of-002", {Record("images/1", {1})});
  Manifest manifest;
  manifest.classes = {"bolt", "nut"};
  folder_.Write("s_manifest.json", ManifestToJson(manifest));
  EXPECT_THAT(OpenSources({Shards("s-fold-001*")}, {.class_mapping = {{"a", "a"}, {"b", "b"}}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("classes [bolt, nut]; target_class_mapping has [a, b]")));
  const auto opened = OpenSources({Shards("s-fold-001*")}, {});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_THAT(opened->classes, ElementsAre("bolt", "nut"));
}

TEST_F(OpenSourcesTest, WithoutMappingAndManifestTheClassesAreNotKnown) {
  WriteShard("s-fold-001-of-002", {Record("images/1", {1})});
  EXPECT_THAT(OpenSources({Shards("s")}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no manifest lies beside")));
}

TEST_F(OpenSourcesTest, SeesDamagedAndCutShards) {
  WriteShard("s-fold-000-of-001", {Record("images/1", {1}), Record("images/2", {1})});
  const SourceOptions options{.class_mapping = {{"a", "a"}}};
  std::string bytes = testing::ContentOf(folder_ / "s-fold-000-of-001");
  folder_.Write("s-fold-000-of-001", bytes.substr(0, bytes.size() - 3));
  EXPECT_THAT(OpenSources({Shards("s")}, options),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("in the middle of record 2")));
  bytes[40] = static_cast<char>(bytes[40] ^ 1);
  folder_.Write("s-fold-000-of-001", bytes);
  EXPECT_THAT(OpenSources({Shards("s")}, options),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("CRC")));
}

TEST_F(OpenSourcesTest, MentionsAStaleIndex) {
  WriteShard("s-fold-000-of-001", {Record("images/1", {1})});
  folder_.Write("idx-s-fold-000-of-001", "0 999\n999 5\n");
  const auto opened = OpenSources({Shards("s")}, {.class_mapping = {{"a", "a"}}});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_THAT(opened->notes, ::testing::Contains(HasSubstr("lists 2 records, the shard holds 1")));
}

TEST_F(OpenSourcesTest, SaysWhatIsWrongWithAllSources) {
  EXPECT_THAT(OpenSources({}, {}), StatusIs(absl::StatusCode::kInvalidArgument));
  const DataSource half{.image_dir = "/images"};
  DataSource both = Folder();
  both.tfrecords = "x";
  EXPECT_THAT(OpenSources({half, both, Shards("none")}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("data source 1"), HasSubstr("data source 2"),
                             HasSubstr("data source 3"))));
}

TEST_F(OpenSourcesTest, AnImageWithoutMappedObjectsStays) {
  Frame("a", "");
  Frame("b", KittiLine("x", {0, 0, 3, 3}));
  const auto opened = OpenSources({Folder()}, {});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->source->size(), 2);
  EXPECT_THAT(BoxesAt(*opened->source, 0), IsEmpty());
}

TEST_F(OpenSourcesTest, SaysWhenNoObjectHasAClassOfTheMapping) {
  Frame("a", KittiLine("pedestrian", {0, 0, 3, 3}));
  const auto opened = OpenSources({Folder()}, {.class_mapping = {{"pedestrain", "person"}}});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_THAT(opened->mapped, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("did you mean")));
  EXPECT_THAT(opened->notes, ::testing::Contains(HasSubstr("class 'person' has no object")));
  const auto right = OpenSources({Folder()}, {.class_mapping = {{"pedestrian", "person"}}});
  EXPECT_TRUE(right->mapped.ok());
  EXPECT_THAT(right->notes, IsEmpty());
}

TEST_F(OpenSourcesTest, WhatAConversionLeftOutIsToldAndJudged) {
  WriteShard("s-fold-001-of-002", {Record("images/1", {})});
  Manifest manifest;
  manifest.classes = {"a"};
  manifest.unmapped = {{"van", 3}};
  folder_.Write("s_manifest.json", ManifestToJson(manifest));
  const auto opened = OpenSources({Shards("s-fold-001*")}, {.class_mapping = {{"a", "a"}}});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_THAT(opened->mapped, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'van' x 3")));
  EXPECT_THAT(opened->unmapped_counts, UnorderedElementsAre(Pair("van", 3)));
}

TEST_F(OpenSourcesTest, RecordsAreHeldAgainstTheirPictures) {
  DetectionExample outside = Record("images/1", std::vector<float>(11, 1));
  outside.x1[4] = 1.5f;
  outside.x2[4] = 1.75f;
  outside.x2[5] = 1.25f;
  DetectionExample other = Record("images/2", {1});
  other.width = 400;
  other.height = 200;
  DetectionExample cut = Record("images/3", {1});
  cut.encoded.resize(20);
  std::vector<DetectionExample> all = {outside, other, cut};
  for (int i = 4; i < 14; ++i) all.push_back(Record(std::to_string(i), {1}));
  WriteShard("s-fold-000-of-001", all);
  const auto opened = OpenSources({Shards("s")}, {.class_mapping = {{"a", "a"}}});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->source->size(), 12);
  EXPECT_THAT(BoxesAt(*opened->source, 0), SizeIs(10));
  EXPECT_EQ(BoxesAt(*opened->source, 1).at(0).box, (Box{10, 5, 20, 10}));  // Parts of 40 x 20.
  EXPECT_EQ(opened->ledger.RefusedImages(), 1);
  EXPECT_EQ(opened->ledger.RefusedLines(), 1);
  EXPECT_EQ(opened->ledger.findings.beyond.count, 1);
  EXPECT_THAT(opened->ledger.findings.other_size.example, HasSubstr("400 x 200, the picture 40 x 20"));
}

TEST_F(OpenSourcesTest, ACoordinateAtTheEdgeIsNotBeyondIt) {
  DetectionExample edge = Record("images/1", {1});
  edge.x2[0] = 1.0f;
  edge.y2[0] = std::nextafter(1.0f, 2.0f);
  WriteShard("s-fold-000-of-001", {edge});
  const auto opened = OpenSources({Shards("s")}, {.class_mapping = {{"a", "a"}}});
  EXPECT_EQ(opened->ledger.findings.beyond.count, 0);
}

TEST_F(OpenSourcesTest, LyingRecordsOfTaoMeanTheUprightPicture) {
  // TAO states the size of the picture as it is stored; its labels were drawn on the upright one.
  DetectionExample lying = Record("images/1", {1});
  lying.encoded = testing::WithChunk(lying.encoded, testing::ExifTiff(6));
  lying.y1[0] = 25 / 20.0f;
  lying.y2[0] = 35 / 20.0f;
  WriteShard("s-fold-000-of-001", {lying});
  const auto opened = OpenSources({Shards("s")}, {.class_mapping = {{"a", "a"}}});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(BoxesAt(*opened->source, 0).at(0).box, (Box{10, 25, 20, 35}));
  EXPECT_EQ(opened->source->Get(0)->image.shape(), (Shape{40, 20, 3}));
  EXPECT_EQ(opened->ledger.findings.beyond.count, 0);
  EXPECT_EQ(opened->ledger.findings.other_size.count, 0);
  // Without an orientation, sides that changed places are another size.
  DetectionExample swapped = Record("images/2", {1});
  swapped.width = 20;
  swapped.height = 40;
  WriteShard("s-fold-000-of-001", {swapped});
  const auto other = OpenSources({Shards("s")}, {.class_mapping = {{"a", "a"}}});
  EXPECT_EQ(other->ledger.findings.other_size.count, 1);
  EXPECT_EQ(BoxesAt(*other->source, 0).at(0).box, (Box{10, 5, 20, 10}));
}

// Records in the forms of others, by protobuf's own writer: objects with classes in (4, 5)-(20, 15) of
// 40 x 20 pixels.
class ForeignRecordsTest : public OpenSourcesTest {
 protected:
  using Lists = std::vector<std::pair<std::string, std::string>>;

  static std::string Bytes(const Lists& features) {
    std::string text = "features {";
    for (const auto& [name, list] : features) {
      absl::StrAppend(&text, " feature { key: '", name, "' value { ", list, " } }");
    }
    return testing::ExampleProto().BytesOf(absl::StrCat(text, " }"));
  }
  static std::string Texts(const std::vector<std::string>& values) {
    std::string list = "bytes_list {";
    for (const std::string& v : values) absl::StrAppend(&list, " value: '", absl::CHexEscape(v), "'");
    return absl::StrCat(list, " }");
  }
  static std::string Floats(size_t n, const std::string& value) {
    std::string list = "float_list {";
    for (size_t i = 0; i < n; ++i) absl::StrAppend(&list, " value: ", value);
    return absl::StrCat(list, " }");
  }
  static std::string Int(int value) { return absl::StrCat("int64_list { value: ", value, " }"); }

  std::string Png() const { return EncodePng(PlainPicture(40, 20, {9, 8, 7})).value(); }
  std::string ObjectDetection(const std::vector<std::string>& classes) const {
    const size_t n = classes.size();
    return Bytes({{"image/encoded", Texts({Png()})},
                  {"image/filename", Texts({"street/1.jpg"})},
                  {"image/height", Int(20)},
                  {"image/width", Int(40)},
                  {"image/object/bbox/xmin", Floats(n, "0.1")},
                  {"image/object/bbox/ymin", Floats(n, "0.25")},
                  {"image/object/bbox/xmax", Floats(n, "0.5")},
                  {"image/object/bbox/ymax", Floats(n, "0.75")},
                  {"image/object/class/text", Texts(classes)}});
  }
  std::string DetectNet(const std::string& id, const std::vector<std::string>& classes) const {
    const size_t n = classes.size();
    return Bytes({{"frame/id", Texts({id})},
                  {"frame/height", Int(20)},
                  {"frame/width", Int(40)},
                  {"target/object_class", Texts(classes)},
                  {"target/coordinates_x1", Floats(n, "4")},
                  {"target/coordinates_y1", Floats(n, "5")},
                  {"target/coordinates_x2", Floats(n, "20")},
                  {"target/coordinates_y2", Floats(n, "15")}});
  }
  void Write(const std::string& name, const std::vector<std::string>& records) const {
    std::string bytes;
    for (const std::string& record : records) bytes += FrameRecord(record);
    folder_.Write(name, bytes);
  }
};

TEST_F(ForeignRecordsTest, ClassesOfTheObjectDetectionApiGoThroughTheMapping) {
  Write("coco.record-00000-of-00001",
        {ObjectDetection({"Car", "traffic light"}), ObjectDetection({"dog"}), ObjectDetection({})});
  const auto opened = OpenSources({Shards("coco.record*")},
                                  {.class_mapping = {{"car", "vehicle"}, {"Traffic Light", "light"}}});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_THAT(opened->classes, ElementsAre("light", "vehicle"));
  EXPECT_THAT(opened->unmapped_counts, UnorderedElementsAre(Pair("dog", 1)));
  ASSERT_EQ(opened->source->size(), 3);
  const auto sample = opened->source->Get(0);
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(sample->id, "street/1");
  EXPECT_EQ(PixelAt(sample->image, 0, 0), (Rgb{9, 8, 7}));
  ASSERT_THAT(BoxesOf(sample->truth.get()), SizeIs(2));
  EXPECT_EQ(BoxesOf(sample->truth.get())[0].class_id, 2);
  EXPECT_EQ(BoxesOf(sample->truth.get())[0].box, (Box{4, 5, 20, 15}));
  EXPECT_EQ(BoxesOf(sample->truth.get())[1].class_id, 1);
}

TEST_F(ForeignRecordsTest, WithoutAMappingTheNamesThatAreFoundAreTheClasses) {
  Write("s", {ObjectDetection({"Car"}), ObjectDetection({"dog", "car"})});
  const auto opened = OpenSources({Shards("s")}, {});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_THAT(opened->classes, ElementsAre("car", "dog"));
  EXPECT_THAT(opened->class_counts, UnorderedElementsAre(Pair("car", 2), Pair("dog", 1)));
}

TEST_F(ForeignRecordsTest, PicturesOfDetectNetLieBelowTheFolderOfImages) {
  ASSERT_TRUE(MakeFolders(folder_ / "root/training").ok());
  folder_.Write("root/training/12.PNG", Png());
  Write("s-fold-000-of-001", {DetectNet("training/12", {"car", "van"})});
  const DataSource source{.image_dir = folder_ / "root", .tfrecords = folder_ / "s"};
  const auto opened = OpenSources({source}, {.class_mapping = {{"car", "car"}}});
  ASSERT_TRUE(opened.ok()) << opened.status();
  const auto sample = opened->source->Get(0);
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(sample->id, "training/12");
  EXPECT_EQ(PixelAt(sample->image, 0, 0), (Rgb{9, 8, 7}));
  ASSERT_THAT(BoxesOf(sample->truth.get()), SizeIs(1));
  EXPECT_EQ(BoxesOf(sample->truth.get())[0].box, (Box{4, 5, 20, 15}));
}

TEST_F(ForeignRecordsTest, ARecordOfDetectNetWithoutItsPictureIsLeftOutOrTellsWhatIsMissing) {
  ASSERT_TRUE(MakeFolders(folder_ / "root").ok());
  std::vector<std::string> records = {DetectNet("none", {"car"}), DetectNet("../escape", {"car"}),
                                      DetectNet("two", {"car"})};
  folder_.Write("escape.png", Png());
  folder_.Write("root/two.png", Png());
  folder_.Write("root/two.jpg", Png());
  for (int i = 0; i < 40; ++i) {
    folder_.Write(absl::StrCat("root/", i, ".png"), Png());
    records.push_back(DetectNet(absl::StrCat(i), {"car"}));
  }
  Write("s", records);
  const SourceOptions options{.class_mapping = {{"car", "car"}}};
  const auto opened =
      OpenSources({{.image_dir = folder_ / "root", .tfrecords = folder_ / "s"}}, options);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->source->size(), 40);
  ASSERT_THAT(opened->ledger.entries, SizeIs(3));
  EXPECT_THAT(opened->ledger.entries[0].text, HasSubstr("there is no picture"));
  EXPECT_THAT(opened->ledger.entries[1].text, HasSubstr("'../escape' leads to no file below"));
  EXPECT_THAT(opened->ledger.entries[2].text, HasSubstr("as well as"));
  EXPECT_THAT(OpenSources({Shards("s")}, options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("record 1"), HasSubstr("image_directory_path"))));
}

TEST_F(ForeignRecordsTest, ASourceHoldsRecordsOfOneForm) {
  Write("s", {ObjectDetection({"car"}), EncodeExample(Record("images/1", {1}))});
  EXPECT_THAT(OpenSources({Shards("s")}, {.class_mapping = {{"car", "car"}}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("record 2"), HasSubstr("is a record of TAO's converter with its picture"),
                             HasSubstr("is a record of TensorFlow's Object Detection API"))));
  // Two sources may differ.
  Write("one", {ObjectDetection({"car"})});
  Write("two", {EncodeExample(Record("images/1", {1}))});
  const auto opened = OpenSources({Shards("one"), Shards("two")}, {.class_mapping = {{"car", "car"}}});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->class_counts.at("car"), 2);
}

TEST_F(ForeignRecordsTest, TellsThatAFolderBesideWholeRecordsIsNotRead) {
  Write("s", {ObjectDetection({"car"})});
  const auto opened = OpenSources({{.image_dir = folder_ / "nowhere", .tfrecords = folder_ / "s"}},
                                  {.class_mapping = {{"car", "car"}}});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_THAT(opened->notes, ::testing::Contains(HasSubstr("image_directory_path")));
}

Manifest ManifestOf(const std::string& mapping, const std::vector<std::string>& files,
                    int64_t records) {
  Manifest manifest;
  manifest.classes = {"truck", "vehicle"};
  manifest.options = {{"target_class_mapping", mapping}};
  for (const std::string& file : files) {
    manifest.shards.push_back({.file = file, .fold = 1, .records = records});
  }
  return manifest;
}

TEST_F(OpenSourcesTest, AShardThatIsLostIsMissed) {
  const std::string first = "s-fold-001-of-002-shard-00000-of-00003",
                    second = "s-fold-001-of-002-shard-00001-of-00003",
                    third = "s-fold-001-of-002-shard-00002-of-00003";
  WriteShard(first, {Record("images/1", {1})});
  WriteShard(third, {Record("images/2", {2})});
  const SourceOptions options{.class_mapping = {{"car", "vehicle"}, {"bus", "truck"}}};
  // Told by the names alone,
  const auto is_missed = StatusIs(absl::StatusCode::kDataLoss,
                                  AllOf(HasSubstr("1 of the 3 files of "),
                                        HasSubstr(second), HasSubstr("convert the set again")));
  EXPECT_THAT(OpenSources({Shards("s")}, options), is_missed);
  // by the manifest,
  folder_.Write("s_manifest.json",
                ManifestToJson(ManifestOf("bus=truck,car=vehicle", {first, second, third}, 1)));
  EXPECT_THAT(OpenSources({Shards("s")}, options), is_missed);
  // and not where a single file is asked for.
  EXPECT_TRUE(OpenSources({Shards(first)}, options).ok());
  WriteShard(second, {Record("images/3", {1})});
  EXPECT_TRUE(OpenSources({Shards("s")}, options).ok());
  folder_.Write("s_manifest.json",
                ManifestToJson(ManifestOf("bus=truck,car=vehicle", {first, third}, 1)));
  EXPECT_THAT(OpenSources({Shards("s")}, options),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr(second), HasSubstr("is not among the files"))));
}

TEST_F(OpenSourcesTest, ALostFoldIsMissedUnlessTheOtherIsNamed) {
  WriteShard("s-fold-000-of-002", {Record("images/1", {1})});
  Manifest manifest = ManifestOf("bus=truck,car=vehicle", {"s-fold-001-of-002"}, 1);
  manifest.shards.push_back({.file = "s-fold-000-of-002", .fold = 0, .records = 1});
  folder_.Write("s_manifest.json", ManifestToJson(manifest));
  const SourceOptions options{.class_mapping = {{"car", "vehicle"}, {"bus", "truck"}}};
  EXPECT_THAT(OpenSources({Shards("s")}, options),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("s-fold-001-of-002")));
  EXPECT_TRUE(OpenSources({Shards("s-fold-000")}, options).ok());
}

TEST_F(OpenSourcesTest, AShardThatLacksWholeRecordsIsSeen) {
  WriteShard("s-fold-001-of-002", {Record("images/1", {1})});
  folder_.Write("s_manifest.json",
                ManifestToJson(ManifestOf("bus=truck,car=vehicle", {"s-fold-001-of-002"}, 2)));
  EXPECT_THAT(OpenSources({Shards("s")}, {.class_mapping = {{"car", "vehicle"}, {"bus", "truck"}}}),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("holds 1 records"), HasSubstr("lists 2"))));
}

TEST_F(OpenSourcesTest, ASetOfAnotherMappingToTheSameClassesIsRefused) {
  WriteShard("s-fold-001-of-002", {Record("images/1", {1, 2})});
  Manifest manifest = ManifestOf("bus=truck,Car=vehicle,van=vehicle", {"s-fold-001-of-002"}, 1);
  manifest.unmapped = {{"tram", 4}};
  folder_.Write("s_manifest.json", ManifestToJson(manifest));
  const auto open = [&](std::vector<std::pair<std::string, std::string>> mapping) {
    return OpenSources({Shards("s")}, {.class_mapping = std::move(mapping)});
  };
  const auto refused = [](const std::string& why) {
    return StatusIs(absl::StatusCode::kInvalidArgument,
                    AllOf(HasSubstr(why), HasSubstr("convert it again with this mapping")));
  };
  EXPECT_THAT(open({{"car", "truck"}, {"bus", "vehicle"}, {"van", "vehicle"}}),
              refused("'car' became 'vehicle', where target_class_mapping says 'truck'"));
  EXPECT_THAT(open({{"car", "vehicle"}, {"bus", "truck"}}),
              refused("'van' became 'vehicle', which target_class_mapping does not name"));
  EXPECT_THAT(open({{"car", "vehicle"}, {"bus", "truck"}, {"van", "vehicle"}, {"tram", "vehicle"}}),
              refused("the 4 objects of 'tram' were left out"));
  EXPECT_TRUE(
      open({{"van", "vehicle"}, {"BUS", "Truck"}, {"car", "vehicle"}, {"ox", "truck"}}).ok());
  // Who maps the training classes to themselves means what the records hold, and is told.
  const auto as_they_are = open({{"vehicle", "vehicle"}, {"truck", "truck"}});
  ASSERT_TRUE(as_they_are.ok()) << as_they_are.status();
  EXPECT_THAT(as_they_are->notes, ::testing::Contains(HasSubstr("'van' became 'vehicle'")));
}

TEST_F(OpenSourcesTest, ADamagedPictureOfARecordIsLeftOutAsOneOfAFolderIs) {
  std::vector<DetectionExample> all;
  for (int i = 0; i < 12; ++i) all.push_back(Record(std::to_string(i), {1}));
  all[3].encoded.resize(all[3].encoded.size() - 20);  // Its header is whole.
  WriteShard("s-fold-000-of-001", all);
  const auto opened = OpenSources({Shards("s")}, {.class_mapping = {{"a", "a"}}, .threads = 3});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->source->size(), 11);
  ASSERT_THAT(opened->ledger.entries, SizeIs(1));
  EXPECT_EQ(opened->ledger.entries[0].reason, Refusal::kUnreadableImage);
  EXPECT_EQ(opened->source->Id(3), "4");
}

TEST_F(OpenSourcesTest, ABoxOfARecordWithoutAnInsideIsDegenerateAndItsShardIsNamed) {
  std::vector<DetectionExample> all;
  for (int i = 0; i < 12; ++i) all.push_back(Record(std::to_string(i), {1}));
  std::swap(all[3].x1, all[3].x2);
  WriteShard("s-fold-000-of-001", all);
  const auto opened = OpenSources({Shards("s")}, {.class_mapping = {{"a", "a"}}});
  ASSERT_TRUE(opened.ok()) << opened.status();
  ASSERT_THAT(opened->ledger.entries, SizeIs(1));
  EXPECT_EQ(opened->ledger.entries[0].reason, Refusal::kDegenerateBox);
  EXPECT_THAT(opened->ledger.entries[0].text, HasSubstr("has no width"));
  EXPECT_THAT(opened->ledger.entries[0].place, HasSubstr("s-fold-000-of-001: 3: box 1"));
}

TEST_F(OpenSourcesTest, ABoxOfOnePixelKeepsItsInside) {
  DetectionExample thin = Record("images/1", {1});
  thin.x1[0] = 9 / 40.0f;
  thin.x2[0] = std::nextafter(10 / 40.0f, 0.0f);  // 9.9999994 pixels.
  WriteShard("s-fold-000-of-001", {thin});
  const auto opened = OpenSources({Shards("s")}, {.class_mapping = {{"a", "a"}}});
  ASSERT_TRUE(opened.ok()) << opened.status();
  const std::vector<LabelledBox> boxes = BoxesAt(*opened->source, 0);
  ASSERT_THAT(boxes, SizeIs(1));
  // As it was drawn: half of 9.9999994 would be another pixel than half of 10.
  EXPECT_EQ(boxes[0].box, (Box{9, 5, 10, 10}));
}

TEST_F(OpenSourcesTest, AllBadRecordsAreToldTogether) {
  WriteShard("s-fold-000-of-001", {Record("images/1", {7}), Record("images/2", {8})});
  WriteShard("t-fold-000-of-001", {Record("images/3", {9})});
  EXPECT_THAT(
      OpenSources({Shards("s"), Shards("t")}, {.class_mapping = {{"a", "a"}}}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("class number 7"), HasSubstr("class number 8"),
                     HasSubstr("t-fold-000-of-001: record 1"), HasSubstr("class number 9"))));
  std::vector<DetectionExample> many(50, Record("x", {7}));
  WriteShard("s-fold-000-of-001", many);
  EXPECT_THAT(OpenSources({Shards("s")}, {.class_mapping = {{"a", "a"}}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("and 30 more")));
}

TEST_F(OpenSourcesTest, SeveralSetsOfOnePathAreNamed) {
  WriteShard("p/a-fold-000-of-001", {Record("images/1", {1})});
  WriteShard("p/b-fold-000-of-001", {Record("images/2", {1})});
  const auto opened = OpenSources({Shards("p")}, {.class_mapping = {{"a", "a"}}});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_THAT(opened->notes,
              ::testing::Contains(AllOf(HasSubstr("2 shards of 2 sets"), HasSubstr("p/b"))));
}

}  // namespace
}  // namespace trainyard::data
