#include "libs/data/class_map.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace trainyard::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::StatusIs;

TEST(ClassMapTest, NumbersTheSortedLowerCasedValuesFromOne) {
  const auto map =
      ClassMap::Create({{"Van", "Car"}, {"CAR", "car"}, {"person", "Pedestrian"}, {"bus", "Bus"}});
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_THAT(map->classes(), ElementsAre("bus", "car", "pedestrian"));
  EXPECT_EQ(map->Find("van"), 2);
  EXPECT_EQ(map->Find("VAN"), 2);
  EXPECT_EQ(map->Find("Person"), 3);
  EXPECT_EQ(map->Find("bus"), 1);
}

TEST(ClassMapTest, KnowsNothingOfClassesThatAreNotMapped) {
  EXPECT_EQ(ClassMap::Create({{"a", "b"}})->Find("b"), 0);
  EXPECT_EQ(ClassMap::Create({{"a", "b"}})->Find("DontCare"), 0);
}

TEST(ClassMapTest, NamesAllContradictionsAndEmptyNames) {
  EXPECT_THAT(
      ClassMap::Create({{"a", "x"}, {"A", "y"}, {"", "z"}}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("maps 'a' to both 'x' and 'y'"), HasSubstr("maps '' to 'z'"))));
}

TEST(ClassMapTest, TheIdentityMapsEachClassToItself) {
  const ClassMap map = ClassMap::Identity({"RBC", "wbc", "rbc", ""});
  EXPECT_THAT(map.classes(), ElementsAre("rbc", "wbc"));
  EXPECT_EQ(map.Find("WBC"), 2);
}

TEST(ClassMapTest, BlanksAreNoName) {
  EXPECT_THAT(ClassMap::Create({{"a", "  "}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected two names")));
  EXPECT_THAT(ClassMap::Create({{"\xC2\xA0", "a"}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected two names")));
  EXPECT_THAT(ClassMap::Identity({"a", " "}).classes(), ElementsAre("a"));
}

}  // namespace
}  // namespace trainyard::data
