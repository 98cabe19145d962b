#include "libs/data/review/review.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/data/sample_data.h"
#include "tests/support/data_pictures.h"
#include "tests/support/picture_copies.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::data {
namespace {

using ::testing::AllOf;
using testing::CopyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::PlainPicture;
using ::testing::SizeIs;
using testing::StatusIs;
using testing::TemporaryFolder;

Tensor Painted(uint64_t index) { return PaintScene(21, index, 160, 120).image; }

std::vector<ReviewFinding> Of(ReviewKind kind, const std::vector<ReviewFinding>& findings) {
  std::vector<ReviewFinding> picked;
  for (const ReviewFinding& finding : findings) {
    if (finding.kind == kind) picked.push_back(finding);
  }
  return picked;
}

std::vector<std::string> Ids(const ReviewFinding& finding) {
  std::vector<std::string> ids;
  for (const ReviewImage& image : finding.images) ids.push_back(image.id);
  return ids;
}

class ReviewDataTest : public ::testing::Test {
 protected:
  void Add(ReviewSet& set, const std::string& name, const std::string& bytes,
           const std::string& class_name = "x") {
    folder_.Write(name, bytes);
    set.frames.push_back({.id = name,
                          .image_path = folder_ / name,
                          .size = {160, 120},
                          .boxes = {{class_name, {10, 10, 40, 50}}}});
  }
  std::vector<ReviewFinding> Review(const ReviewSet* against = nullptr, int threads = 1) {
    const auto findings = ReviewData(set_, against, {.threads = threads});
    EXPECT_THAT(findings, IsOk());
    return findings.value_or(std::vector<ReviewFinding>());
  }

  TemporaryFolder folder_;
  ReviewSet set_{.name = "train"};
};

// Kills: groups that are lists of pairs; a chain that is broken when its middle is missing; the same
// bytes told as a likeness, or not at all; other pictures in a group.
TEST_F(ReviewDataTest, GroupsCopies) {
  for (int i = 0; i < 8; ++i) Add(set_, absl::StrCat("p", i, ".png"), EncodePng(Painted(i)).value());
  Add(set_, "small.jpg", CopyOf(Painted(2), 0.5, 70));
  Add(set_, "same.png", EncodePng(Painted(5)).value());
  Add(set_, "large.jpg", CopyOf(Painted(2), 2, 60));
  const auto findings = Review();
  const auto copies = Of(ReviewKind::kCopy, findings);
  ASSERT_THAT(copies, SizeIs(1));
  EXPECT_THAT(Ids(copies[0]), ElementsAre("p2.png", "small.jpg", "large.jpg"));
  EXPECT_EQ(copies[0].severity, Severity::kWarning);
  const auto same = Of(ReviewKind::kSameBytes, findings);
  ASSERT_THAT(same, SizeIs(1));
  EXPECT_THAT(Ids(same[0]), ElementsAre("p5.png", "same.png"));
  EXPECT_THAT(Of(ReviewKind::kLeak, findings), IsEmpty());
  EXPECT_EQ(ToJsonLines(findings), ToJsonLines(Review(nullptr, 3)));
}

// Kills: a search in each set by itself; copies inside of the other set told as leaks.
TEST_F(ReviewDataTest, TellsOfPicturesThatBothSetsHave) {
  ReviewSet other{.name = "val"};
  for (int i = 0; i < 6; ++i) Add(set_, absl::StrCat("t", i, ".png"), EncodePng(Painted(i)).value());
  for (int i = 6; i < 10; ++i) Add(other, absl::StrCat("v", i, ".png"), EncodePng(Painted(i)).value());
  Add(other, "leak.jpg", CopyOf(Painted(3), 0.6, 80), "y");
  Add(other, "again.jpg", CopyOf(Painted(8), 1, 75));
  const auto findings = Review(&other);
  ASSERT_FALSE(findings.empty());
  // Errors come first.
  EXPECT_EQ(findings[0].kind, ReviewKind::kLeak);
  EXPECT_EQ(findings[0].severity, Severity::kError);
  EXPECT_THAT(Ids(findings[0]), ElementsAre("t3.png", "leak.jpg"));
  EXPECT_EQ(findings[0].images[1].set, 1);
  EXPECT_EQ(findings[0].images[1].frame, 4);
  EXPECT_THAT(findings[0].text, HasSubstr("1 picture of the other set is in this one"));
  EXPECT_THAT(findings[0].text, HasSubstr("their labels differ"));
  EXPECT_THAT(Of(ReviewKind::kLeak, findings), SizeIs(1));
  EXPECT_THAT(Of(ReviewKind::kUnseenClass, findings), SizeIs(1));
  const auto copies = Of(ReviewKind::kCopy, findings);
  ASSERT_THAT(copies, SizeIs(1));
  EXPECT_THAT(Ids(copies[0]), ElementsAre("v8.png", "again.jpg"));
  EXPECT_THAT(copies[0].text, ::testing::Not(HasSubstr("differ")));
}

// Kills: all black pictures in one group of copies; a picture that cannot be read ends the review.
TEST_F(ReviewDataTest, PlainAndBrokenPicturesAreToldOf) {
  Add(set_, "a.png", EncodePng(PlainPicture(60, 40, {9, 9, 9})).value());
  Add(set_, "b.png", EncodePng(PlainPicture(80, 40, {200, 9, 9})).value());
  Add(set_, "c.png", "no picture");
  Add(set_, "d.png", EncodePng(Painted(1)).value());
  const auto findings = Review();
  const auto plain = Of(ReviewKind::kPlain, findings);
  ASSERT_THAT(plain, SizeIs(1));
  EXPECT_THAT(Ids(plain[0]), ElementsAre("a.png", "b.png"));
  EXPECT_THAT(Of(ReviewKind::kCopy, findings), IsEmpty());
  const auto broken = Of(ReviewKind::kUnreadable, findings);
  ASSERT_THAT(broken, SizeIs(1));
  EXPECT_THAT(broken[0].text, AllOf(HasSubstr("c.png: "), HasSubstr("neither a JPEG nor a PNG")));
}

// Kills: what the reader left out is lost.
TEST_F(ReviewDataTest, TellsWhatTheReaderLeftOut) {
  Add(set_, "a.png", EncodePng(Painted(1)).value());
  set_.ledger.entries = {{"labels/b.txt:3", "images/b", Refusal::kNotANumber, "column 5 is 'x'"}};
  set_.ledger.findings.notes = {"2 pictures in folders below"};
  const auto findings = Review();
  ASSERT_THAT(Of(ReviewKind::kLeftOut, findings), SizeIs(1));
  EXPECT_EQ(Of(ReviewKind::kLeftOut, findings)[0].text, "train: labels/b.txt:3: column 5 is 'x'");
  ASSERT_THAT(Of(ReviewKind::kNoticed, findings), SizeIs(1));
}

// Kills: a recall that never becomes a warning or an error.
TEST_F(ReviewDataTest, BoxesThatNoPriorFitsAreAnError) {
  Add(set_, "a.png", EncodePng(Painted(1)).value());
  ReviewOptions options{.priors = {.boxes = {{100, 100, 110, 110}}, .input = {160, 120}}};
  auto findings = ReviewData(set_, nullptr, options);
  ASSERT_THAT(findings, IsOk());
  EXPECT_EQ(findings->front().kind, ReviewKind::kPriorFit);
  EXPECT_EQ(findings->front().severity, Severity::kError);
  EXPECT_THAT(findings->front().text, HasSubstr("100.0 % are larger than any"));
  options.priors.boxes.push_back({10, 10, 40, 50});
  findings = ReviewData(set_, nullptr, options);
  ASSERT_THAT(findings, IsOk());
  ASSERT_THAT(Of(ReviewKind::kPriorFit, *findings), SizeIs(1));
  EXPECT_EQ(Of(ReviewKind::kPriorFit, *findings)[0].severity, Severity::kNote);
}

TEST_F(ReviewDataTest, NeedsPicturesAndEndsWhenTold) {
  EXPECT_THAT(ReviewData(set_, nullptr, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'train' has no picture")));
  Add(set_, "a.png", EncodePng(Painted(1)).value());
  EXPECT_THAT(ReviewData(set_, nullptr, {.go_on = [](int64_t, int64_t) { return false; }}),
              StatusIs(absl::StatusCode::kCancelled));
}

// By protobuf's own reader. Kills: a name that ends its line or its string, bytes that are no UTF-8, a
// number that is no JSON.
TEST(ReviewFrameOfTest, RegionsWithoutLabelsAreNoObjects) {
  KittiFrame frame{.name = "a.png"};
  frame.labels.objects.resize(3);
  frame.labels.objects[0].type = "Car";
  frame.labels.objects[1].type = "DontCare";
  frame.labels.objects[2].type = "Van";
  const ReviewFrame review = ReviewFrameOf(frame, "train/images");
  EXPECT_EQ(review.id, "train/images/a.png");
  ASSERT_THAT(review.boxes, SizeIs(2));
  EXPECT_EQ(review.boxes[0].class_name, "car");
  EXPECT_EQ(review.boxes[1].class_name, "van");
}

TEST(ToJsonLinesTest, EachFindingIsOneLineOfJson) {
  const std::string name = "a\n\"b\\\xFF\x01</script>.png";
  const std::vector<ReviewFinding> findings = {
      {.kind = ReviewKind::kLeak,
       .severity = Severity::kError,
       .class_name = "c\n\"",
       .images = {{.id = name}, {.id = "b"}},
       .numbers = {{"likeness", 0.5}, {"part", std::numeric_limits<double>::quiet_NaN()}},
       .text = name},
      {.text = "plain"}};
  const std::string lines = ToJsonLines(findings);
  const std::vector<std::string> split = absl::StrSplit(lines, '\n', absl::SkipEmpty());
  ASSERT_THAT(split, SizeIs(2));
  google::protobuf::Struct json;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(split[0], &json).ok()) << split[0];
  auto& fields = *json.mutable_fields();
  EXPECT_EQ(fields["kind"].string_value(), "leak");
  EXPECT_EQ(fields["severity"].string_value(), "error");
  EXPECT_EQ(fields["images"].list_value().values_size(), 2);
  EXPECT_THAT(fields["text"].string_value(), HasSubstr("a\n\"b\\\\xff\\x01</script>.png"));
  EXPECT_EQ(fields["numbers"].struct_value().fields().at("likeness").number_value(), 0.5);
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(split[1], &json).ok());
}

}  // namespace
}  // namespace trainyard::data
