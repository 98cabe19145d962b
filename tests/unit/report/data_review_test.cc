#include "libs/report/data_review.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/data/image_io.h"
#include "libs/data/sample_data.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::report {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::trainyard::testing::ContentOf;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::TemporaryFolder;

class DataReviewTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 5; ++i) {
      const std::string name = absl::StrCat("p", i, ".jpg");
      folder_.Write(name, data::EncodeJpeg(data::PaintScene(1, i, 640, 480).image).value());
      set_.frames.push_back({.id = absl::StrCat("train/<", name, ">"),
                             .image_path = folder_ / name,
                             .size = {640, 480},
                             .boxes = {{"bolt", {10, 20, 110, 70}}, {"nut", {200, 20, 300, 90}}}});
    }
  }
  data::ReviewImage Image(int64_t frame, std::vector<int64_t> boxes = {}) const {
    return {.id = set_.frames[frame].id, .frame = frame, .boxes = std::move(boxes)};
  }

  TemporaryFolder folder_;
  data::ReviewSet set_{.name = "tr<ain>"};
};

size_t Count(absl::string_view text, absl::string_view piece) {
  size_t count = 0;
  for (size_t at = text.find(piece); at != text.npos; at = text.find(piece, at + 1)) ++count;
  return count;
}

// Kills: a name or text that is markup, something from elsewhere, pictures that are not inside of the
// page, tables that lose a class's numbers.
TEST_F(DataReviewTest, ShowsFindingsWithTheirPictures) {
  const std::vector<data::ReviewFinding> findings = {
      {.kind = data::ReviewKind::kLeak,
       .severity = data::Severity::kError,
       .images = {Image(0), Image(1)},
       .text = "<script>alert(1)</script>"},
      {.kind = data::ReviewKind::kClassBalance,
       .class_name = "b&lt",
       .numbers = {{"boxes", 12345}, {"part", 0.25}}}};
  ASSERT_THAT(WriteReviewPage({.set = &set_, .findings = findings}, folder_.path()), IsOk());
  const std::string html = ContentOf(folder_ / kReviewPage);
  EXPECT_THAT(html, AllOf(HasSubstr("Pictures that both sets have (1)"), HasSubstr("tr&lt;ain&gt;"),
                          HasSubstr("&lt;script&gt;alert"), HasSubstr("b&amp;lt"),
                          HasSubstr("<td>12345</td><td>0.25</td>"), HasSubstr("1 error")));
  EXPECT_THAT(html, AllOf(Not(HasSubstr("<script")), Not(HasSubstr("http")), Not(HasSubstr("<p0"))));
  EXPECT_EQ(Count(html, "href=\"data:image/jpeg;base64,"), 2u);
  // All labels of copies, in pixels of the original.
  EXPECT_EQ(Count(html, "viewBox=\"0 0 640 480\""), 2u);
  EXPECT_EQ(Count(html, "class=\"truth\""), 4u);
}

// Kills: other boxes drawn than the finding's.
TEST_F(DataReviewTest, DrawsTheBoxesThatAFindingIsAbout) {
  const std::vector<data::ReviewFinding> findings = {
      {.kind = data::ReviewKind::kTwinBoxes, .images = {Image(2, {1})}, .text = "t"}};
  const auto pictures = PicturesOf({.set = &set_, .findings = findings});
  ASSERT_THAT(pictures, SizeIs(1));
  ASSERT_THAT(pictures[0].pictures, SizeIs(1));
  ASSERT_THAT(pictures[0].pictures[0].truth, SizeIs(1));
  EXPECT_EQ(pictures[0].pictures[0].truth[0].type, "nut");
  // Small: 320 x 240 of 640 x 480 would be too wide.
  const auto size = data::ReadImageSize(pictures[0].pictures[0].bytes, "");
  ASSERT_THAT(size, IsOk());
  EXPECT_EQ(size->width, 160);
}

// Kills: a page that grows with the set; findings that vanish from it without a count; a picture that is
// gone ends the page.
TEST_F(DataReviewTest, IsBoundedAndSaysWhatItLeavesOut) {
  std::vector<data::ReviewFinding> findings;
  for (int i = 0; i < 200; ++i) {
    findings.push_back({.kind = data::ReviewKind::kCopy,
                        .images = {Image(0), Image(1), Image(2), Image(3), Image(4)},
                        .text = absl::StrCat("copy ", i, ".")});
  }
  set_.frames[1].image_path = folder_ / "gone.jpg";
  const DataReview review{.set = &set_, .findings = findings};
  const auto pictures = PicturesOf(review);
  ASSERT_THAT(pictures, SizeIs(12));
  EXPECT_THAT(pictures[0].pictures, SizeIs(2));
  const std::string html = DataReviewHtml(review, pictures);
  EXPECT_THAT(html, AllOf(HasSubstr("copy 49."), Not(HasSubstr("copy 50.")),
                          HasSubstr("150 more in findings.jsonl"), HasSubstr("(200)")));
}

// Kills: of a leak among many copies of the training data the other set's picture not shown.
TEST_F(DataReviewTest, ShowsBothSidesOfALeak) {
  data::ReviewSet other = set_;
  other.frames.resize(1);
  other.frames[0].id = "val/0";
  std::vector<data::ReviewFinding> findings = {
      {.kind = data::ReviewKind::kLeak, .images = {Image(0), Image(1), Image(2), Image(3)}}};
  findings[0].images.push_back({.id = "val/0", .set = 1, .frame = 0});
  const auto pictures = PicturesOf({.set = &set_, .against = &other, .findings = findings});
  ASSERT_THAT(pictures, SizeIs(1));
  ASSERT_THAT(pictures[0].pictures, SizeIs(3));
  EXPECT_EQ(pictures[0].pictures[1].name, "val/0");
}

}  // namespace
}  // namespace trainyard::report
