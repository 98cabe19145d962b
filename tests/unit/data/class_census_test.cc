#include "libs/data/class_census.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace trainyard::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::Pair;
using testing::StatusIs;

ClassMap MapOf(const std::vector<std::pair<std::string, std::string>>& mapping) {
  return ClassMap::Create(mapping).value();
}

ClassCensus CensusOf(const std::vector<std::pair<std::string, int>>& objects) {
  ClassCensus census;
  for (const auto& [name, count] : objects) {
    for (int i = 0; i < count; ++i) census.Add(name);
  }
  return census;
}

TEST(ClassCensusTest, AMisspeltClassIsRefusedWithBothNames) {
  const ClassCensus census = CensusOf({{"Pedestrian", 3}, {"tree", 1}});
  EXPECT_THAT(census.Check(MapOf({{"pedestrain", "person"}})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("looks for (pedestrain)"), HasSubstr("'pedestrian' x 3"),
                             HasSubstr("'tree' x 1"), HasSubstr("did you mean 'pedestrian'?"))));
  EXPECT_THAT(census.Check(MapOf({{"TREE", "plant"}})), IsOk());
  EXPECT_THAT(ClassCensus().Check(MapOf({{"car", "car"}})), IsOk());  // Background is no slip.
}

TEST(ClassCensusTest, NamesWhatIsLeftOutAndWhatHasNoObject) {
  const ClassCensus census = CensusOf({{"Car", 2}, {"van", 3}, {"dontcare", 4}});
  EXPECT_THAT(census.Describe(MapOf({{"car", "vehicle"}, {"bus", "vehicle"}, {"cyclist", "bike"}})),
              ElementsAre(AllOf(HasSubstr("'dontcare' x 4"), HasSubstr("'van' x 3")),
                          HasSubstr("class 'bike' has no object"),
                          HasSubstr("no label has the class 'bus'"),
                          HasSubstr("no label has the class 'cyclist'")));
  EXPECT_THAT(census.Describe(MapOf({{"car", "a"}, {"van", "a"}, {"dontcare", "b"}})), IsEmpty());
}

TEST(ClassCensusTest, SaysThatThereIsNoObjectAtAll) {
  EXPECT_THAT(ClassCensus().Describe(MapOf({{"car", "car"}})), ElementsAre(HasSubstr("no object")));
}

TEST(ClassCensusTest, JudgesConvertedSetsByTheirTrainingClasses) {
  ClassCensus census;
  census.AddRecorded("vehicle");
  census.AddLeftOut("van", 7);
  const ClassMap map = MapOf({{"car", "vehicle"}, {"walker", "person"}});
  EXPECT_THAT(census.Check(map), IsOk());
  EXPECT_THAT(census.Describe(map),
              ElementsAre(HasSubstr("'van' x 7"), HasSubstr("class 'person' has no object")));
  ClassCensus none;
  none.AddLeftOut("van", 7);
  EXPECT_THAT(none.Check(map), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("van")));
}

TEST(ClassCensusTest, CountsNamesThatAreNotUtf8ByTheirBytes) {
  const ClassCensus census = CensusOf({{"Fu\xDF", 1}, {"FU\xDF", 1}, {"fu\xC3\x9F", 1}});
  EXPECT_THAT(census.found(), ElementsAre(Pair("fu\\xdf", 2), Pair("fu\xC3\x9F", 1)));
  EXPECT_EQ(MapOf({{"fu\\xdf", "foot"}}).Find("Fu\xDF"), 1);
}

}  // namespace
}  // namespace trainyard::data
