#include "libs/data/partition.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "libs/data/convert.h"
#include "libs/data/sources.h"
#include "libs/data/tfrecord/manifest.h"
#include "tests/support/data_pictures.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::data {
namespace {

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

std::vector<Sequence> SequencesOf(const std::vector<std::pair<std::string, int>>& lengths) {
  std::vector<Sequence> sequences;
  for (const auto& [name, length] : lengths) {
    sequences.push_back({.name = name, .frames = std::vector<std::string>(size_t(length), "f")});
  }
  return sequences;
}

// By hand, after TAO: lengths 4 3 2 2 1 dealt to three folds in turn are {a, d}, {b, e}, {c}; in
// reverse {c}, {b, e}, {a, d}. Of c and d, which are equally long, c comes first.
TEST(DealSequencesTest, TheLongestFirstInTurnAndTheFoldsInReverse) {
  const auto sequences = SequencesOf({{"a", 4}, {"b", 3}, {"c", 2}, {"d", 2}, {"e", 1}});
  EXPECT_THAT(DealSequences(sequences, 3),
              ElementsAre(ElementsAre(2), ElementsAre(1, 4), ElementsAre(0, 3)));
}

TEST(DealSequencesTest, OneFoldHoldsAllInTheirOrder) {
  EXPECT_THAT(DealSequences(SequencesOf({{"a", 1}, {"b", 9}}), 1), ElementsAre(ElementsAre(0, 1)));
}

TEST(DealSequencesTest, FoldsWithoutASequenceAreEmpty) {
  EXPECT_THAT(DealSequences(SequencesOf({{"a", 1}, {"b", 9}}), 3),
              ElementsAre(IsEmpty(), ElementsAre(0), ElementsAre(1)));
}

class ReadSequencesTest : public ::testing::Test {
 protected:
  auto Read(const std::string& text) {
    notes_.clear();
    folder_.Write("map.json", text);
    return ReadSequences(folder_ / "map.json", notes_);
  }
  std::vector<std::string> ProblemsOf(const std::string& text) {
    std::vector<std::string> lines;
    for (const Problem& problem : ProblemsFrom(Read(text).status())) {
      lines.push_back(absl::StrCat(problem.field, " ", problem.description));
    }
    return lines;
  }

  TemporaryFolder folder_;
  std::vector<std::string> notes_;
};

TEST_F(ReadSequencesTest, KeepsTheOrderOfSequencesAndFrames) {
  const auto sequences = Read(R"({"b": ["9", "0001", "d/2"], "a": [], "A": ["x.y"]})");
  ASSERT_TRUE(sequences.ok()) << sequences.status();
  ASSERT_THAT(*sequences, SizeIs(3));
  EXPECT_THAT((*sequences)[0].frames, ElementsAre("9", "0001", "d/2"));
  EXPECT_THAT((*sequences)[1].frames, IsEmpty());
  EXPECT_EQ((*sequences)[2].name, "A");
}

TEST_F(ReadSequencesTest, AFrameThatIsListedTwiceInASequenceCountsOnce) {
  const auto sequences = Read(R"({"a": ["1", "2", "1"]})");
  ASSERT_TRUE(sequences.ok()) << sequences.status();
  EXPECT_THAT((*sequences)[0].frames, ElementsAre("1", "2"));
  EXPECT_THAT(notes_, ElementsAre(HasSubstr("1 frame is listed twice in a sequence (1 of a)")));
}

TEST_F(ReadSequencesTest, NamesAllThatIsWrong) {
  EXPECT_THAT(ProblemsOf(R"({"a": ["1", 2, "../3", "/4", "", "5//6"], "b": "1", "c": ["1"], "c": []})"),
              ElementsAre(HasSubstr("sequence 'a' has a frame 2 that is no text"),
                          HasSubstr("has the frame '../3'; expected a path below"),
                          HasSubstr("has the frame '/4'"), HasSubstr("has the frame ''"),
                          HasSubstr("has the frame '5//6'"),
                          HasSubstr("sequence 'b' is no list"),
                          HasSubstr("sequence 'c' is there twice"),
                          HasSubstr("sequence 'c' has the frame '1', which 'a' has too")));
}

TEST_F(ReadSequencesTest, RefusesWhatIsNoMap) {
  for (const char* text : {"", "[]", "{\"a\": [\"1\"", "a: [1]", "null"}) {
    EXPECT_THAT(Read(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("map.json"))) << text;
  }
  EXPECT_THAT(Read("{}"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("lists no frame")));
  EXPECT_THAT(ReadSequences(folder_ / "none.json", notes_), StatusIs(absl::StatusCode::kNotFound));
  // Deeper than any map.
  EXPECT_THAT(Read("{\"a\":" + std::string(100000, '[')),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

class SequenceModeTest : public ::testing::Test {
 protected:
  SequenceModeTest() {
    auto* kitti = config_.mutable_kitti_config();
    kitti->set_image_dir_name("images");
    kitti->set_label_dir_name("labels");
    kitti->set_partition_mode("sequence");
    kitti->set_kitti_sequence_to_frames_file("map.json");
    kitti->set_num_shards(1);
    options_ = {.root = folder_.path(), .output_prefix = folder_ / "out/set"};
    for (int i = 0; i < 11; ++i) Frame(std::to_string(i));
    folder_.Write("map.json", R"({"d": ["9", "10"], "b": ["4", "5", "6"], "c": ["7", "8"],
                                  "a": ["0", "1", "2", "3"]})");
  }
  void Frame(const std::string& name) {
    WriteKittiFrame(folder_.path(), name, PlainPicture(40, 20, {1, 2, 3}),
                    KittiLine("nut", {4, 5, 20, 15}));
  }
  absl::StatusOr<ConvertReport> Process() { return ConvertKitti(config_, options_); }
  // The frames of a fold, in the order of its records.
  std::vector<std::string> Fold(const std::string& numbers) const {
    std::vector<std::string> ids;
    const auto opened = OpenSources({{.tfrecords = folder_ / ("out/set-fold-" + numbers)}},
                                    {.class_mapping = {{"nut", "nut"}}});
    EXPECT_TRUE(opened.ok()) << opened.status();
    for (int64_t i = 0; opened.ok() && i < opened->source->size(); ++i) {
      ids.push_back(BaseName(opened->source->Id(i)));
    }
    return ids;
  }
  std::string Bytes() const {
    std::string all;
    const std::vector<std::string> names = ListFolder(folder_ / "out").value();
    for (const std::string& name : names) {
      all += name + ContentOf(folder_ / ("out/" + name));
    }
    return all;
  }

  TemporaryFolder folder_;
  spec::dataset::v1::DatasetExportConfig config_;
  ConvertOptions options_;
};

// Dealt: {a, c}, {b, d}; in reverse fold 0 is 4 5 6 9 10 and fold 1 is 0 1 2 3 7 8. Python's
// random.Random(42) shuffles one after the other to the orders below.
TEST_F(SequenceModeTest, SequencesStayWholeAndFoldsAreShuffledAsPythonDoes) {
  const auto report = Process();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(Fold("000-of-002*"), ElementsAre("9", "5", "6", "10", "4"));
  EXPECT_THAT(Fold("001-of-002*"), ElementsAre("3", "0", "2", "7", "8", "1"));
  EXPECT_THAT(report->notes, Contains(HasSubstr("fold 000, validation data: 2 sequences (b, d)")));
}

TEST_F(SequenceModeTest, TheManifestTellsTheFoldsOfTheSequences) {
  config_.mutable_kitti_config()->set_num_partitions(3);
  ASSERT_TRUE(Process().ok());
  const auto manifest = ReadManifest(folder_ / "out/set_manifest.json");
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  ASSERT_THAT(manifest->folds, SizeIs(3));
  EXPECT_EQ(manifest->folds[0].use, "validation");
  EXPECT_EQ(manifest->folds[2].use, "training");
  EXPECT_EQ(manifest->folds[2].images, 6);
  EXPECT_THAT(manifest->options,
              AllOf(Contains(Pair("partition_mode", "sequence")), Contains(Pair("num_partitions", "3")),
                    Contains(Pair("kitti_sequence_to_frames_file", "map.json")),
                    Contains(Pair("fold_000_sequences", "c")),
                    Contains(Pair("fold_002_sequences", "a,d"))));
}

TEST_F(SequenceModeTest, EqualBytesOnAnyNumberOfThreads) {
  ASSERT_TRUE(Process().ok());
  const std::string first = Bytes();
  options_.threads = 4;
  ASSERT_TRUE(Process().ok());
  EXPECT_EQ(Bytes(), first);
  options_.random_seed = 43;
  ASSERT_TRUE(Process().ok());
  EXPECT_NE(Bytes(), first);
}

TEST_F(SequenceModeTest, OneFoldOrNoneIsOneFoldOfAll) {
  for (const uint32_t count : {0u, 1u}) {
    config_.mutable_kitti_config()->set_num_partitions(count);
    ASSERT_TRUE(Process().ok());
    EXPECT_THAT(Fold("000-of-001*"), SizeIs(11)) << count;
  }
}

TEST_F(SequenceModeTest, FoldsThatGetNoSequenceKeepTheirNumbers) {
  config_.mutable_kitti_config()->set_num_partitions(5);
  const auto report = Process();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->notes, Contains(HasSubstr("fold 000, the validation data, is empty: 5 folds of 4")));
  EXPECT_FALSE(FileExists(folder_ / "out/set-fold-000-of-005-shard-00000-of-00001"));
  EXPECT_THAT(Fold("004-of-005*"), UnorderedElementsAre("0", "1", "2", "3"));
}

TEST_F(SequenceModeTest, NoShardsMakeOneFileThatDoesNotCountThem) {
  config_.mutable_kitti_config()->set_num_shards(0);
  ASSERT_TRUE(Process().ok());
  EXPECT_TRUE(FileExists(folder_ / "out/set-fold-001-of-002"));
  EXPECT_TRUE(FileExists(folder_ / "out/idx-set-fold-001-of-002"));
  EXPECT_THAT(Fold("001-of-002"), SizeIs(6));
  // A later conversion to the same prefix replaces them.
  config_.mutable_kitti_config()->set_num_shards(1);
  ASSERT_TRUE(Process().ok());
  EXPECT_FALSE(FileExists(folder_ / "out/set-fold-001-of-002"));
}

TEST_F(SequenceModeTest, FramesMayLieInFoldersBelow) {
  ASSERT_TRUE(MakeFolders(folder_ / "images/drive_1").ok());
  ASSERT_TRUE(MakeFolders(folder_ / "labels/drive_1").ok());
  Frame("drive_1/0");
  folder_.Write("map.json", R"({"a": ["0", "1"], "drive": ["drive_1/0"]})");
  const auto report = Process();
  ASSERT_TRUE(report.ok()) << report.status();
  const auto opened = OpenSources({{.tfrecords = folder_ / "out/set-fold-000*"}}, {});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->source->Id(0), "images/drive_1/0");
  EXPECT_THAT(report->ledger.findings.notes,
              Contains(HasSubstr("9 pictures of 'images' are of none of the frames")));
}

TEST_F(SequenceModeTest, FramesWithoutImageOrLabelAreListed) {
  for (int i = 20; i < 40; ++i) Frame(std::to_string(i));
  std::string frames = "\"none\", \"alone\"";
  for (int i = 20; i < 40; ++i) absl::StrAppend(&frames, ", \"", i, "\"");
  folder_.Write("map.json", absl::StrCat("{\"a\": [\"0\", \"1\"], \"b\": [", frames, "]}"));
  folder_.Write("images/alone.png", ContentOf(folder_ / "images/0.png"));
  const auto report = Process();
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(ContentOf(folder_ / "out/set_ledger.jsonl"),
              AllOf(HasSubstr("\"place\":\"images/none.png\""), HasSubstr("there is no such picture"),
                    HasSubstr("\"reason\":\"missing_label\"")));
  EXPECT_EQ(report->manifest.refused_images, 2);
}

TEST_F(SequenceModeTest, EachFoldKeepsItsShareOfMaxTrainingSamples) {
  config_.mutable_kitti_config()->set_num_partitions(3);
  config_.mutable_sample_modifier_config()->set_max_training_samples(8);
  const auto report = Process();
  ASSERT_TRUE(report.ok()) << report.status();
  for (const Manifest::Fold& fold : report->manifest.folds) EXPECT_EQ(fold.images, 2) << fold.number;
}

TEST_F(SequenceModeTest, AMapThatIsNotThereIsNamedWithItsField) {
  config_.mutable_kitti_config()->set_kitti_sequence_to_frames_file("frames.json");
  EXPECT_THAT(Process(), StatusIs(absl::StatusCode::kNotFound,
                                  AllOf(HasSubstr("kitti_config.kitti_sequence_to_frames_file"),
                                        HasSubstr("frames.json"))));
}

}  // namespace
}  // namespace trainyard::data
