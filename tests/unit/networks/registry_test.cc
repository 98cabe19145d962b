#include "libs/networks/registry.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/ssd_spec_text.h"
#include "tests/support/status_matchers.h"

namespace trainyard::networks {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::SmallSsdSpec;
using ::trainyard::testing::StatusIs;

TEST(RegistryTest, MakesNetworksByName) {
  EXPECT_THAT(NetworkNames(), ElementsAre("ssd", "classification"));
  const auto network = CreateNetwork("ssd", SmallSsdSpec(), "specs/train.txt");
  ASSERT_THAT(network, IsOk());
  EXPECT_EQ((*network)->name(), "ssd");
  EXPECT_THAT((*network)->classes(), ElementsAre("car", "person"));
}

TEST(RegistryTest, AnUnknownNameIsAnsweredWithTheKnownOnes) {
  EXPECT_THAT(CreateNetwork("sdd", SmallSsdSpec(), "specs/train.txt"),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("no network 'sdd'"), HasSubstr("known: ssd, classification"))));
}

TEST(RegistryTest, ASpecThatIsWrongNamesItsFileAndField) {
  EXPECT_THAT(
      CreateNetwork("ssd", SmallSsdSpec() + "\nssd_config { nlayer: 3 }", "specs/train.txt"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("specs/train.txt:"), HasSubstr("nlayer"))));
}

TEST(RegistryTest, FindsTheHeadAndTheTaskOfARecord) {
  const auto network = CreateNetwork("ssd", SmallSsdSpec(), "specs/train.txt");
  ASSERT_THAT(network, IsOk());
  const auto model = (*network)->Build();
  ASSERT_THAT(model, IsOk());
  const auto head = CreateHead(model->record);
  ASSERT_THAT(head, IsOk());
  EXPECT_THAT((*head)->output_names(), ElementsAre("mbox_conf", "mbox_loc"));
  EXPECT_EQ((*head)->output_names(), model->graph.OutputNames());
  EXPECT_THAT(CreateHead(ModelRecord()), StatusIs(absl::StatusCode::kUnimplemented));
  EXPECT_EQ((*TaskOf(model->record))->name(), "detection");
  EXPECT_THAT(TaskOf(ModelRecord()), StatusIs(absl::StatusCode::kUnimplemented));
}

TEST(RegistryTest, AnOutputIsCalledAsTaoCallsIt) {
  const auto family = FindNetwork("ssd");
  ASSERT_THAT(family, IsOk());
  EXPECT_THAT((*family)->CheckOutputName("NMS"), IsOk());
  EXPECT_THAT(
      (*family)->CheckOutputName("boxes"),
      StatusIs(absl::StatusCode::kInvalidArgument, "has 'boxes'; the detector's output is NMS"));
}

}  // namespace
}  // namespace trainyard::networks
