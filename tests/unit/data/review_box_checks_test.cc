#include "libs/data/review/box_checks.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trainyard::data {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

ReviewFrame Frame(const std::string& id, std::vector<ReviewBox> boxes) {
  return {.id = id, .size = {100, 100}, .boxes = std::move(boxes)};
}

std::vector<ReviewFinding> Of(ReviewKind kind, const std::vector<ReviewFinding>& findings) {
  std::vector<ReviewFinding> picked;
  for (const ReviewFinding& finding : findings) {
    if (finding.kind == kind) picked.push_back(finding);
  }
  return picked;
}

// Kills: pictures counted once a box, shares of the pictures instead of the objects, a rare class that
// is none, at exactly a twentieth.
TEST(CheckBoxesTest, CountsTheClasses) {
  std::vector<ReviewFrame> frames = {Frame("a", {}), Frame("b", {})};
  for (int i = 0; i < 40; ++i) frames[i % 2].boxes.push_back({"car", {0, 0, 10.0f + i, 10}});
  frames[1].boxes.push_back({"van", {0, 0, 10, 10}});
  frames[1].boxes.push_back({"bus", {0, 0, 10, 10}});
  frames[1].boxes.push_back({"bus", {50, 0, 60, 10}});
  const auto findings = CheckBoxes(frames);
  const auto common = Of(ReviewKind::kClassBalance, findings);
  ASSERT_THAT(common, SizeIs(2));
  EXPECT_EQ(common[0].class_name, "bus");
  EXPECT_THAT(common[0].numbers, ElementsAre(Pair("boxes", 2), Pair("part", 2.0 / 43),
                                             Pair("pictures", 1)));
  EXPECT_THAT(common[1].numbers, Contains(Pair("pictures", 2)));
  const auto rare = Of(ReviewKind::kRareClass, findings);
  ASSERT_THAT(rare, SizeIs(1));
  EXPECT_EQ(rare[0].severity, Severity::kWarning);
  EXPECT_THAT(rare[0].text, AllOf(HasSubstr("'van' has 1 object"), HasSubstr("40 times")));
}

// Kills: sides of the boxes' widths, parts of one side of the picture.
TEST(CheckBoxesTest, MeasuresTheBoxes) {
  ReviewFrame frame = Frame("a", {{"x", {0, 0, 40, 10}}, {"x", {0, 0, 4, 1}}, {"x", {0, 0, 30, 30}}});
  frame.size = {400, 100};  // As a square 200 a side.
  const auto sizes = Of(ReviewKind::kBoxSizes, CheckBoxes({&frame, 1}));
  ASSERT_THAT(sizes, SizeIs(1));
  EXPECT_THAT(sizes[0].numbers, AllOf(Contains(Pair("least", 2)), Contains(Pair("p50", 20)),
                                      Contains(Pair("largest", 30)), Contains(Pair("part_p50", 0.1))));
}

TEST(CheckBoxesTest, NamesPicturesWithoutObjects) {
  const std::vector<ReviewFrame> frames = {Frame("a", {}), Frame("b", {{"x", {0, 0, 9, 9}}}),
                                           Frame("c", {}), Frame("d", {{"x", {0, 0, 9, 9}}})};
  const auto none = Of(ReviewKind::kNoBoxes, CheckBoxes(frames));
  ASSERT_THAT(none, SizeIs(1));
  ASSERT_THAT(none[0].images, SizeIs(2));
  EXPECT_EQ(none[0].images[1].id, "c");
  EXPECT_EQ(none[0].images[1].frame, 2);
  EXPECT_THAT(none[0].text, HasSubstr("2 pictures of 4 (50.0 %)"));
}

// Kills: only wide boxes seen, or only high ones; the bound itself told of.
TEST(CheckBoxesTest, TellsOfUnlikelyShapes) {
  const ReviewFrame frame = Frame("a", {{"x", {0, 0, 100, 10}},  // 10: still likely
                                        {"x", {0, 0, 90, 4}},
                                        {"y", {5, 0, 6, 50}},
                                        {"y", {5, 5, 5, 50}}});  // No width at all.
  const auto shapes = Of(ReviewKind::kAspect, CheckBoxes({&frame, 1}));
  ASSERT_THAT(shapes, SizeIs(2));
  EXPECT_THAT(shapes[0].text, HasSubstr("wide as high"));
  EXPECT_THAT(shapes[0].images[0].boxes, ElementsAre(1));
  EXPECT_THAT(shapes[1].text, HasSubstr("50 times as high as wide"));
}

// Kills: twins of different classes; pairs that the sweep from the left passes by; 0.95 itself; a
// million lines for a million equal boxes.
TEST(CheckBoxesTest, TellsOfObjectsThatAreLabelledTwice) {
  const ReviewFrame frame = Frame("a", {{"x", {51, 10, 91, 50}},
                                        {"x", {0, 0, 20, 20}},
                                        {"y", {0, 0, 20, 20}},
                                        {"x", {50, 10, 90.5f, 50}},   // 39.5 / 41: with the first
                                        {"x", {0, 0, 20, 19}}});      // 0.95 exactly
  const auto twins = Of(ReviewKind::kTwinBoxes, CheckBoxes({&frame, 1}));
  ASSERT_THAT(twins, SizeIs(1));
  EXPECT_THAT(twins[0].images[0].boxes, ElementsAre(3, 0));
  EXPECT_NEAR(twins[0].numbers[0].second, 39.5 / 41, 1e-6);

  const ReviewFrame equal = Frame("b", std::vector<ReviewBox>(500, {"x", {1, 1, 9, 9}}));
  EXPECT_THAT(Of(ReviewKind::kTwinBoxes, CheckBoxes({&equal, 1})), SizeIs(499));
}

TEST(CheckClassesAgainstTest, NamesWhatCannotBeLearned) {
  const std::vector<ReviewFrame> train = {Frame("a", {{"car", {0, 0, 9, 9}}})};
  const std::vector<ReviewFrame> other = {Frame("b", {{"car", {0, 0, 9, 9}}, {"van", {0, 0, 9, 9}}})};
  const auto unseen = CheckClassesAgainst(train, other);
  ASSERT_THAT(unseen, SizeIs(1));
  EXPECT_EQ(unseen[0].class_name, "van");
  EXPECT_THAT(CheckClassesAgainst(other, train), IsEmpty());
}

}  // namespace
}  // namespace trainyard::data
