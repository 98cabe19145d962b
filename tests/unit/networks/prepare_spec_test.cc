#include "libs/networks/prepare_spec.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/networks/registry.h"
#include "tests/support/ssd_spec_text.h"
#include "tests/support/status_matchers.h"

namespace trainyard::networks {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::SmallSsdSpec;
using ::trainyard::testing::StatusIs;

absl::StatusOr<std::string> Below(absl::string_view path) {
  if (absl::StrContains(path, "secret")) return absl::PermissionDeniedError("leaves the workspace");
  return absl::StrCat("/workspace", path);
}

absl::StatusOr<PreparedSpec> Prepare(const std::string& text,
                                     const std::vector<std::string>& overrides = {},
                                     absl::string_view network = "ssd") {
  return PrepareSpec(network, text, "specs/train.txt", overrides, spec::SpecUse::kTrain, Below);
}

TEST(PrepareSpecTest, TheCanonicalTextIsAllAWorkerNeeds) {
  const auto prepared = Prepare(SmallSsdSpec(), {"training_config.num_epochs = 9"});
  ASSERT_THAT(prepared, IsOk());
  EXPECT_THAT(prepared->canonical_text, HasSubstr("/workspace/data/images"));
  const auto network = CreateNetwork("ssd", prepared->canonical_text, "spec");
  ASSERT_THAT(network, IsOk());
  EXPECT_EQ((*network)->training_plan().epochs, 9);
}

TEST(PrepareSpecTest, PreparingTwiceChangesNothing) {
  const auto same = [](absl::string_view path) -> absl::StatusOr<std::string> {
    return std::string(path);
  };
  const auto once = PrepareSpec("ssd", SmallSsdSpec(), "a", {}, spec::SpecUse::kTrain, same);
  ASSERT_THAT(once, IsOk());
  const auto twice = PrepareSpec("ssd", once->canonical_text, "b", {}, spec::SpecUse::kTrain, same);
  ASSERT_THAT(twice, IsOk());
  EXPECT_EQ(twice->canonical_text, once->canonical_text);
}

TEST(PrepareSpecTest, SaysWhereTheTrainingStarts) {
  const auto prepared =
      Prepare(SmallSsdSpec(), {"training_config.pretrain_model_path = \"/models/a.tlt\""});
  ASSERT_THAT(prepared, IsOk());
  EXPECT_EQ(prepared->initial_model, "/workspace/models/a.tlt");
}

TEST(PrepareSpecTest, SaysWhichTrainingGoesOn) {
  const auto prepared =
      Prepare(SmallSsdSpec(), {"training_config.resume_model_path = \"/models/a.tlt\""});
  ASSERT_THAT(prepared, IsOk());
  EXPECT_EQ(prepared->resume_model, "/workspace/models/a.tlt");
  EXPECT_EQ(prepared->initial_model, "");
}

TEST(PrepareSpecTest, RefusesWhatTheSpecCannotMean) {
  EXPECT_THAT(Prepare(SmallSsdSpec(), {"ssd_config.nlayers = 11"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ssd_config.nlayers")));
  EXPECT_THAT(Prepare(SmallSsdSpec(), {}, "sdd"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("known: ssd")));
  EXPECT_FALSE(
      Prepare(SmallSsdSpec(), {"training_config.pretrain_model_path = \"/secret/a.tlt\""}).ok());
}

}  // namespace
}  // namespace trainyard::networks
