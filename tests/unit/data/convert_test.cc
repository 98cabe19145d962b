#include "libs/data/convert.h"

#include <sys/resource.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/data/sources.h"
#include "libs/data/tfrecord/example.h"
#include "tests/support/data_example_proto.h"
#include "tests/support/data_pictures.h"
#include "tests/support/exif.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::data {
namespace {

using spec::dataset::v1::DatasetExportConfig;
using ::testing::AllOf;
using ::testing::Contains;
using testing::ContentOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::KittiLine;
using ::testing::Pair;
using testing::PlainPicture;
using ::testing::SizeIs;
using testing::StatusIs;
using testing::TemporaryFolder;
using ::testing::UnorderedElementsAre;
using testing::WriteKittiFrame;

// CRC-32C bit by bit, from its definition: reflected polynomial 0x82F63B78.
uint32_t SlowCrc32c(absl::string_view bytes) {
  uint32_t crc = 0xFFFFFFFFu;
  for (const unsigned char byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0u);
  }
  return crc ^ 0xFFFFFFFFu;
}
uint32_t SlowMask(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u; }

template <typename T>
T At(const std::string& bytes, size_t offset) {
  T value;
  memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

// A reader of the framing that knows nothing of ours: payloads with offset and framed length.
struct RawRecord {
  size_t offset, length;
  std::string payload;
};
std::vector<RawRecord> ReadRaw(const std::string& path) {
  const std::string bytes = ContentOf(path);
  std::vector<RawRecord> records;
  for (size_t at = 0; at < bytes.size();) {
    const auto length = At<uint64_t>(bytes, at);
    EXPECT_EQ(At<uint32_t>(bytes, at + 8), SlowMask(SlowCrc32c(bytes.substr(at, 8))));
    const std::string payload = bytes.substr(at + 12, length);
    EXPECT_EQ(At<uint32_t>(bytes, at + 12 + length), SlowMask(SlowCrc32c(payload)));
    records.push_back({at, 16 + length, payload});
    at += 16 + length;
  }
  return records;
}

class ConvertKittiTest : public ::testing::Test {
 protected:
  ConvertKittiTest() {
    auto* kitti = config_.mutable_kitti_config();
    kitti->set_image_dir_name("images");
    kitti->set_label_dir_name("labels");
    kitti->set_partition_mode("random");
    kitti->set_num_shards(2);
    kitti->set_val_split(20);
    options_ = {.root = folder_.path(), .output_prefix = folder_ / "out/set"};
  }
  void Frames(int n, const std::string& labels = KittiLine("Nut", {4, 5, 20, 15})) {
    for (int i = 0; i < n; ++i) {
      WriteKittiFrame(folder_.path(), std::to_string(i), PlainPicture(40, 20, {uint8_t(i), 2, 3}),
                      labels);
    }
  }
  absl::StatusOr<ConvertReport> Process(std::stop_token stop = {}) {
    return ConvertKitti(config_, options_, nullptr, stop);
  }
  std::vector<std::string> Written() const {
    const auto names = ListFolder(folder_ / "out");
    return names.ok() ? *names : std::vector<std::string>();
  }
  std::vector<std::string> IdsOf(const std::string& shard) const {
    std::vector<std::string> ids;
    for (const RawRecord& record : ReadRaw(folder_ / ("out/" + shard))) {
      ids.push_back(DecodeExample(record.payload)->id);
    }
    return ids;
  }

  TemporaryFolder folder_;
  DatasetExportConfig config_;
  ConvertOptions options_;
};

TEST_F(ConvertKittiTest, WritesTheFilesOfTheLayout) {
  Frames(10);
  const auto report = Process();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(Written(), ElementsAre("idx-set-fold-000-of-002-shard-00000-of-00002",
                                     "idx-set-fold-000-of-002-shard-00001-of-00002",
                                     "idx-set-fold-001-of-002-shard-00000-of-00002",
                                     "idx-set-fold-001-of-002-shard-00001-of-00002",
                                     "set-fold-000-of-002-shard-00000-of-00002",
                                     "set-fold-000-of-002-shard-00001-of-00002",
                                     "set-fold-001-of-002-shard-00000-of-00002",
                                     "set-fold-001-of-002-shard-00001-of-00002", "set_ledger.jsonl",
                                     "set_manifest.json"));
  EXPECT_THAT(report->files, SizeIs(10));
}

TEST_F(ConvertKittiTest, PutsTheImagesInPythonsOrder) {
  Frames(10);
  ASSERT_TRUE(Process().ok());
  // random.Random(42).shuffle of 0..9 is [7, 3, 2, 8, 5, 6, 9, 4, 0, 1]; a fifth is validation.
  EXPECT_THAT(IdsOf("set-fold-000-of-002-shard-00000-of-00002"), ElementsAre("images/7"));
  EXPECT_THAT(IdsOf("set-fold-000-of-002-shard-00001-of-00002"), ElementsAre("images/3"));
  EXPECT_THAT(IdsOf("set-fold-001-of-002-shard-00000-of-00002"),
              ElementsAre("images/2", "images/8", "images/5", "images/6"));
  EXPECT_THAT(IdsOf("set-fold-001-of-002-shard-00001-of-00002"),
              ElementsAre("images/9", "images/4", "images/0", "images/1"));
}

TEST_F(ConvertKittiTest, TheLastShardTakesTheRestAndSmallFoldsHaveEmptyOnes) {
  Frames(8);
  config_.mutable_kitti_config()->set_num_shards(3);
  ASSERT_TRUE(Process().ok());
  // One validation image, seven for training: 0 + 0 + 1 and 2 + 2 + 3.
  EXPECT_THAT(IdsOf("set-fold-000-of-002-shard-00001-of-00003"), IsEmpty());
  EXPECT_THAT(IdsOf("set-fold-000-of-002-shard-00002-of-00003"), SizeIs(1));
  EXPECT_THAT(IdsOf("set-fold-001-of-002-shard-00001-of-00003"), SizeIs(2));
  EXPECT_THAT(IdsOf("set-fold-001-of-002-shard-00002-of-00003"), SizeIs(3));
}

TEST_F(ConvertKittiTest, AnEmptyFoldKeepsItsNumber) {
  Frames(3);
  config_.mutable_kitti_config()->set_val_split(0);
  ASSERT_TRUE(Process().ok());
  EXPECT_THAT(IdsOf("set-fold-001-of-002-shard-00001-of-00002"), SizeIs(2));
  EXPECT_FALSE(FileExists(folder_ / "out/set-fold-000-of-002-shard-00000-of-00002"));
  config_.mutable_kitti_config()->set_val_split(100);
  ASSERT_TRUE(Process().ok());
  EXPECT_THAT(IdsOf("set-fold-000-of-002-shard-00001-of-00002"), SizeIs(2));
  // The training shards of the first conversion are gone.
  EXPECT_FALSE(FileExists(folder_ / "out/set-fold-001-of-002-shard-00001-of-00002"));
  EXPECT_FALSE(FileExists(folder_ / "out/idx-set-fold-001-of-002-shard-00001-of-00002"));
}

TEST_F(ConvertKittiTest, TheIndexesTellWhereRecordsLie) {
  Frames(10);
  ASSERT_TRUE(Process().ok());
  const std::string shard = "set-fold-001-of-002-shard-00001-of-00002";
  std::string expected;
  for (const RawRecord& r : ReadRaw(folder_ / ("out/" + shard))) {
    absl::StrAppend(&expected, r.offset, " ", r.length, "\n");
  }
  EXPECT_EQ(ContentOf(folder_ / ("out/idx-" + shard)), expected);
}

TEST_F(ConvertKittiTest, RecordsHoldTheImageFileAndNormalisedBoxes) {
  Frames(1,
         "Nut 0.25 2 -1.5 4 5 20.5 15 1 2 3 4 5 6 7\nDontCare 0 0 0 1 1 9 9 0 0 0 0 0 0 0\n"
         "bolt 0 0 0 -4 0 44 20 0 0 0 0 0 0 0\n");
  (*config_.mutable_target_class_mapping())["NUT"] = "Fastener";
  (*config_.mutable_target_class_mapping())["bolt"] = "bolt";
  const auto report = Process();
  ASSERT_TRUE(report.ok()) << report.status();
  const auto records = ReadRaw(folder_ / "out/set-fold-001-of-002-shard-00001-of-00002");
  ASSERT_THAT(records, SizeIs(1));
  const std::string text = testing::ExampleProto().TextOf(records[0].payload);
  EXPECT_THAT(text, HasSubstr("key: \"frame/encoded\""));
  const DetectionExample example = DecodeExample(records[0].payload).value();
  EXPECT_EQ(example.encoded, ContentOf(folder_ / "images/0.png"));
  EXPECT_EQ(example.width, 40);
  EXPECT_EQ(example.height, 20);
  EXPECT_THAT(example.class_ids, ElementsAre(2, 1));  // bolt, fastener.
  EXPECT_THAT(example.x1, ElementsAre(0.1f, -0.1f));  // Not clipped.
  EXPECT_THAT(example.x2, ElementsAre(0.5125f, 1.1f));
  EXPECT_THAT(example.y1, ElementsAre(0.25f, 0));
  EXPECT_THAT(example.y2, ElementsAre(0.75f, 1));
  EXPECT_THAT(example.occlusion, ElementsAre(2, 0));
  EXPECT_THAT(example.truncation, ElementsAre(0.25f, 0));
  EXPECT_THAT(example.observation_angle, ElementsAre(-1.5f, 0));
  EXPECT_THAT(example.world_h, ElementsAre(1, 0));
  EXPECT_THAT(example.world_rot_y, ElementsAre(7, 0));
  EXPECT_THAT(report->manifest.classes, ElementsAre("bolt", "fastener"));
  EXPECT_THAT(report->manifest.unmapped, UnorderedElementsAre(Pair("dontcare", 1)));
}

TEST_F(ConvertKittiTest, TrainingReadsTheSameFromShardsAndFolders) {
  Frames(6, KittiLine("nut", {4, 5, 20, 15}, 1) + KittiLine("bolt", {0, 0, 39, 19}));
  config_.mutable_kitti_config()->set_val_split(0);
  ASSERT_TRUE(Process().ok());
  const DataSource folders{.image_dir = folder_ / "images", .label_dir = folder_ / "labels"};
  const DataSource shards{.tfrecords = folder_ / "out/set"};
  const auto raw = OpenSources({folders}, {});
  const auto converted = OpenSources({shards}, {});
  ASSERT_TRUE(raw.ok() && converted.ok()) << raw.status() << converted.status();
  EXPECT_EQ(raw->classes, converted->classes);
  EXPECT_EQ(raw->class_counts, converted->class_counts);
  std::map<std::string, Sample> by_id;
  for (int64_t i = 0; i < 6; ++i) {
    const Sample sample = raw->source->Get(i).value();
    by_id[sample.id] = sample;
  }
  for (int64_t i = 0; i < 6; ++i) {
    const Sample sample = converted->source->Get(i).value();
    const Sample& other = by_id.at(sample.id);
    EXPECT_EQ(memcmp(sample.image.raw(), other.image.raw(), sample.image.size_bytes()), 0);
    const std::vector<LabelledBox>&boxes = BoxesOf(sample.truth.get()),
          &others = BoxesOf(other.truth.get());
    ASSERT_EQ(boxes.size(), others.size());
    for (size_t b = 0; b < boxes.size(); ++b) {
      EXPECT_EQ(boxes[b].class_id, others[b].class_id);
      EXPECT_EQ(boxes[b].difficult, others[b].difficult);
      EXPECT_NEAR(boxes[b].box.x2, others[b].box.x2, 1e-4);
    }
  }
}

TEST_F(ConvertKittiTest, ListsWhatItLeavesOut) {
  Frames(20, KittiLine("nut", {1, 1, 9, 9}) + KittiLine("nut", {2, 2, 8, 8}));
  WriteKittiFrame(folder_.path(), "3", PlainPicture(40, 20, {}),
                  KittiLine("nut", {1, 1, 9, 9}) + KittiLine("nut", {7, 3, 7, 9}));
  folder_.Write("images/5.png", "");
  const auto report = Process();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->manifest.refused_images, 1);
  EXPECT_EQ(report->manifest.refused_lines, 1);
  const std::string ledger = ContentOf(folder_ / "out/set_ledger.jsonl");
  EXPECT_THAT(ledger, AllOf(HasSubstr("\"place\":\"labels/3.txt:2\""),
                            HasSubstr("\"place\":\"images/5.png\"")));
  EXPECT_EQ(ContentOf(folder_ / "out/set_warning.json"),
            absl::StrCat("{\n  \"", folder_ / "labels/3.txt_1",
                         "\": [\n    7,\n    3,\n    7,\n    9\n  ]\n}"));
}

TEST_F(ConvertKittiTest, StopsWhenTooMuchIsRefusedAndLeavesNothing) {
  Frames(9);
  WriteKittiFrame(folder_.path(), "8", PlainPicture(4, 4, {}), "no columns\n");
  EXPECT_THAT(Process(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("labels/8.txt:1"), HasSubstr("1 of 9 label lines"))));
  EXPECT_THAT(Written(), IsEmpty());
  Frames(20);
  WriteKittiFrame(folder_.path(), "8", PlainPicture(4, 4, {}), "no columns\n");
  EXPECT_TRUE(Process().ok());
  options_.strict = true;
  EXPECT_THAT(Process(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("labels/8.txt:1")));
}

TEST_F(ConvertKittiTest, TheManifestDescribesTheSet) {
  Frames(10);
  ASSERT_TRUE(Process().ok());
  const auto manifest = ReadManifest(folder_ / "out/set_manifest.json");
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_THAT(manifest->classes, ElementsAre("nut"));
  ASSERT_THAT(manifest->folds, SizeIs(2));
  EXPECT_EQ(manifest->folds[0].use, "validation");
  EXPECT_EQ(manifest->folds[0].images, 2);
  EXPECT_EQ(manifest->folds[1].objects.at("nut"), 8);
  ASSERT_THAT(manifest->shards, SizeIs(4));
  EXPECT_EQ(manifest->shards[3].records, 4);
  EXPECT_THAT(manifest->shards[3].sha256, SizeIs(64));
  EXPECT_THAT(manifest->options, Contains(Pair("random_seed", "42")));
}

TEST_F(ConvertKittiTest, EqualInputsGiveEqualBytesAndOtherSeedsDoNot) {
  Frames(30);
  const auto bytes = [this] {
    std::string all;
    for (const std::string& name : Written()) all += name + ContentOf(folder_ / ("out/" + name));
    return all;
  };
  ASSERT_TRUE(Process().ok());
  const std::string first = bytes();
  options_.threads = 4;
  ASSERT_TRUE(Process().ok());
  EXPECT_EQ(bytes(), first);
  options_.random_seed = 43;
  ASSERT_TRUE(Process().ok());
  EXPECT_NE(bytes(), first);
}

TEST_F(ConvertKittiTest, ACancelLeavesNothingAndKeepsTheOld) {
  Frames(10);
  ASSERT_TRUE(Process().ok());
  const std::string before = ContentOf(folder_ / "out/set_manifest.json");
  Frames(100);
  std::stop_source stop;
  const auto at_write = [&stop](const ConvertProgress& progress) {
    if (progress.phase == "write") stop.request_stop();
  };
  EXPECT_THAT(ConvertKitti(config_, options_, at_write, stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("of 100 images")));
  EXPECT_EQ(ContentOf(folder_ / "out/set_manifest.json"), before);
  EXPECT_THAT(Written(), SizeIs(10));
  stop = {};
  const auto at_check = [&stop](const ConvertProgress&) { stop.request_stop(); };
  EXPECT_THAT(ConvertKitti(config_, options_, at_check, stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(ConvertKittiTest, ReportsItsProgressToTheEnd) {
  Frames(10);
  std::vector<std::string> seen;
  const auto listen = [&seen](const ConvertProgress& p) {
    seen.push_back(absl::StrCat(p.phase, " ", p.done, "/", p.total));
  };
  ASSERT_TRUE(ConvertKitti(config_, options_, listen).ok());
  EXPECT_THAT(seen, ElementsAre("check 10/10", "write 10/10"));
}

TEST_F(ConvertKittiTest, TakesTheClassesOfAList) {
  Frames(2, KittiLine("nut", {1, 1, 9, 9}) + KittiLine("bolt", {1, 1, 9, 9}));
  options_.class_names = {"Nut", "washer"};
  const auto report = Process();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->manifest.classes, ElementsAre("nut", "washer"));
  EXPECT_THAT(report->manifest.unmapped, UnorderedElementsAre(Pair("bolt", 2)));
}

TEST_F(ConvertKittiTest, KeepsTheFirstOfEachFoldWhenAskedTo) {
  Frames(10);
  config_.mutable_kitti_config()->set_val_split(50);
  config_.mutable_sample_modifier_config()->set_max_training_samples(7);
  const auto report = Process();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->manifest.folds[0].images, 3);
  EXPECT_EQ(report->manifest.folds[1].images, 3);
}

TEST_F(ConvertKittiTest, SaysWhatIsNotOfferedOrNotThere) {
  Frames(2);
  config_.mutable_kitti_config()->set_image_extension(".jpg");
  EXPECT_THAT(Process(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("2 '.png'")));
  config_.mutable_kitti_config()->set_image_extension(".png");
  options_.output_prefix = folder_ / "images";
  EXPECT_THAT(Process(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is a folder")));
}

// 600 pictures of 90 KiB: 54 MiB that must not be held.
TEST_F(ConvertKittiTest, MemoryDoesNotGrowWithTheImages) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "freed memory is held back to find its use";
#endif
  const auto peak_kib = [] {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  Tensor noise = PlainPicture(200, 150, {});
  uint32_t state = 1;
  for (uint8_t& v : noise.data<uint8_t>())
    v = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  const std::string png = EncodePng(noise).value();
  ASSERT_GT(png.size(), 80'000u);
  for (int i = 0; i < 600; ++i) {
    folder_.Write(absl::StrCat("images/", i, ".png"), png);
    folder_.Write(absl::StrCat("labels/", i, ".txt"), KittiLine("nut", {1, 1, 9, 9}));
  }
  const auto before = peak_kib();
  ASSERT_TRUE(Process().ok());
  EXPECT_LT(peak_kib() - before, 16 * 1024);
}

TEST_F(ConvertKittiTest, RefusesAMappingThatMeetsNoObject) {
  Frames(4, KittiLine("pedestrian", {1, 1, 9, 9}));
  (*config_.mutable_target_class_mapping())["pedestrain"] = "person";
  EXPECT_THAT(Process(), StatusIs(absl::StatusCode::kInvalidArgument,
                                  AllOf(HasSubstr("'pedestrian' x 4"), HasSubstr("pedestrain"))));
  EXPECT_THAT(Written(), IsEmpty());
  (*config_.mutable_target_class_mapping())["pedestrian"] = "walker";
  const auto report = Process();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->notes, Contains(HasSubstr("class 'person' has no object")));
}

TEST_F(ConvertKittiTest, TellsOfClassesThatAreLeftOut) {
  Frames(3, KittiLine("car", {1, 1, 9, 9}) + KittiLine("van", {2, 2, 9, 9}));
  (*config_.mutable_target_class_mapping())["car"] = "car";
  const auto report = Process();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->notes, Contains(HasSubstr("'van' x 3")));
}

TEST_F(ConvertKittiTest, ClassesAndNamesThatAreNotUtf8GiveAManifestThatIs) {
  Frames(12);
  WriteKittiFrame(folder_.path(), "stra\xDF" "e", PlainPicture(40, 20, {}),
                  KittiLine("Fu\xDFg\xE4nger", {1, 1, 9, 9}));
  folder_.Write("images/m\xFCll.png", "");
  folder_.Write("labels/m\xFCll.txt", "");
  const auto report = Process();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->manifest.classes, ElementsAre("fu\\xdfg\\xe4nger", "nut"));
  const auto manifest = ReadManifest(folder_ / "out/set_manifest.json");
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->classes, report->manifest.classes);
  EXPECT_THAT(ContentOf(folder_ / "out/set_ledger.jsonl"), HasSubstr("images/m\\\\xfcll.png"));
  const auto all = OpenSources({{.tfrecords = folder_ / "out/set-fold-001*"}}, {});
  ASSERT_TRUE(all.ok()) << all.status();
}

TEST_F(ConvertKittiTest, RecordsOfTurnedPicturesHaveTheUprightSizeAndTheFileAsItIs) {
  const std::string png =
      testing::WithChunk(EncodePng(PlainPicture(160, 120, {9, 9, 9})).value(), testing::ExifTiff(6));
  folder_.Write("images/0.png", png);
  folder_.Write("labels/0.txt", KittiLine("nut", {12, 40, 60, 120}) + KittiLine("nut", {500, 0, 600, 9}) +
                                    [] {
                                      std::string more;
                                      for (int i = 0; i < 9; ++i) more += KittiLine("nut", {float(i), 0, 60, 80});
                                      return more;
                                    }());
  config_.mutable_kitti_config()->set_num_shards(1);
  const auto report = Process();
  ASSERT_TRUE(report.ok()) << report.status();
  const auto records = ReadRaw(folder_ / "out/set-fold-001-of-002-shard-00000-of-00001");
  ASSERT_THAT(records, SizeIs(1));
  const DetectionExample example = DecodeExample(records[0].payload).value();
  EXPECT_EQ(example.encoded, png);
  EXPECT_EQ(example.width, 120);
  EXPECT_EQ(example.height, 160);
  EXPECT_THAT(example.x1, SizeIs(10));  // Without the box that lies outside.
  EXPECT_EQ(example.x1[0], 0.1f);
  EXPECT_EQ(example.y2[0], 0.75f);
  EXPECT_EQ(report->ledger.findings.turned.count, 1);
  const auto opened = OpenSources({{.tfrecords = folder_ / "out/set"}}, {});
  ASSERT_TRUE(opened.ok()) << opened.status();
  const Sample sample = opened->source->Get(0).value();
  EXPECT_EQ(sample.image.shape(), (Shape{160, 120, 3}));
  EXPECT_NEAR(BoxesOf(sample.truth.get())[0].box.y2, 120, 1e-3);
  EXPECT_EQ(opened->ledger.findings.turned.count, 1);
}

TEST_F(ConvertKittiTest, TellsOfAFoldThatValSplitLeavesEmpty) {
  Frames(4);
  config_.mutable_kitti_config()->set_val_split(0.2f);
  const auto report = Process();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->notes, Contains(AllOf(HasSubstr("val_split 0.2"), HasSubstr("validation"))));
  config_.mutable_kitti_config()->set_val_split(0);
  EXPECT_THAT(Process()->notes, ::testing::Not(Contains(HasSubstr("val_split"))));
}

TEST_F(ConvertKittiTest, TellsWhatMaxTrainingSamplesLeavesOut) {
  Frames(10);
  config_.mutable_kitti_config()->set_val_split(0);
  config_.mutable_sample_modifier_config()->set_max_training_samples(7);
  const auto report = Process();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->notes, Contains(HasSubstr("7 of 10 images are left out by "
                                                "max_training_samples 7")));
  EXPECT_EQ(report->manifest.options.at("max_training_samples"), "7");
  config_.mutable_sample_modifier_config()->set_max_training_samples(1);
  EXPECT_THAT(Process(), StatusIs(absl::StatusCode::kInvalidArgument,
                                  HasSubstr("max_training_samples 1 leaves no image")));
}

TEST_F(ConvertKittiTest, RefusesNamesThatNoStageFinds) {
  Frames(2);
  for (const char* prefix : {"out/.h", "out/idx-q"}) {
    options_.output_prefix = folder_ / prefix;
    EXPECT_THAT(Process(), StatusIs(absl::StatusCode::kInvalidArgument,
                                    HasSubstr("no stage would find the set")));
  }
}

TEST_F(ConvertKittiTest, RefusesANameThatItsFilesMakeTooLong) {
  Frames(2);
  options_.output_prefix = folder_ / "out/" + std::string(250, 'a');
  EXPECT_THAT(Process(), StatusIs(absl::StatusCode::kInvalidArgument,
                                  AllOf(HasSubstr("at most 255"), HasSubstr("a shorter name"))));
  EXPECT_THAT(Written(), IsEmpty());
}

}  // namespace
}  // namespace trainyard::data
