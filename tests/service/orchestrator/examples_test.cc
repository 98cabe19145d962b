// The pipelines and specs that we ship are right, as far as that can be told without data.
#include "gmock/gmock.h"
#include "libs/base/files.h"
#include "libs/networks/registry.h"
#include "services/orchestrator/pipeline.h"
#include "services/orchestrator/spec_reader.h"
#include "services/orchestrator/stage_input.h"
#include "tests/support/places.h"
#include "tests/support/status_matchers.h"

namespace trainyard::orchestrator {
namespace {

using ::trainyard::testing::IsOk;

absl::StatusOr<Pipeline> ParseExample(const std::string& file,
                                      std::map<std::string, std::string> parameters) {
  const std::string path = SourceDir() + "/examples/" + file;
  const auto text = ReadFile(path);
  if (!text.ok()) return text.status();
  return ParsePipeline({.text = *text,
                        .name = path,
                        .parameters = std::move(parameters),
                        .read_spec = [](const std::string& spec) { return ReadFile(spec); }});
}

void ExpectSpecsToBeRight(const Pipeline& pipeline) {
  TextRoom room;
  for (const StageSpec& stage : pipeline.stages) {
    const auto input = BuildDraftInput(pipeline, stage, room);
    ASSERT_THAT(input, IsOk()) << stage.name;
    if (input->spec_text().empty()) continue;
    EXPECT_THAT(ReadSpec(SpecQuestionOf(stage, *input),
                         [](absl::string_view path) { return std::string(path); }),
                IsOk())
        << stage.name;
  }
}

TEST(ExamplesTest, TheSamplePipelineIsRight) {
  const auto pipeline = ParseExample("sample/pipeline.yaml", {{"epochs", "3"}});
  ASSERT_THAT(pipeline, IsOk());
  ExpectSpecsToBeRight(*pipeline);
}

TEST(ExamplesTest, TheKittiPipelineIsRight) {
  const auto pipeline = ParseExample(
      "kitti/pipeline.yaml",
      {{"data", "mine"},
       {"class_mapping", "target_class_mapping { key: \"car\" value: \"car\" }"}});
  ASSERT_THAT(pipeline, IsOk());
  ExpectSpecsToBeRight(*pipeline);
}

TEST(ExamplesTest, TheClassificationPipelineIsRight) {
  const auto pipeline = ParseExample("classification/pipeline.yaml", {{"data", "mine"}});
  ASSERT_THAT(pipeline, IsOk());
  ExpectSpecsToBeRight(*pipeline);
}

// What `trainyard fit` writes for data with test pictures, whose paths need quotes, with and without
// pruning: every pipeline of it.
TEST(ExamplesTest, TheFilesOfAFitAreRight) {
  worker::v1::DataProfile profile;
  for (auto* part : {profile.mutable_training(), profile.mutable_validation(), profile.mutable_test(),
                     profile.mutable_probe()}) {
    part->set_images("/my data/\"best\": #1/images");
    part->set_labels("/my data/\"best\": #1/labels");
    part->set_pictures(40);
  }
  profile.add_classes()->set_name("car");
  profile.set_picture_width(640);
  profile.set_picture_height(480);
  profile.add_object_widths(0.2f);
  profile.add_object_heights(0.1f);
  profile.add_object_classes(0);
  const auto family = networks::FindNetwork(networks::DefaultNetwork());
  ASSERT_THAT(family, IsOk());
  for (const double remove : {0.0, 0.5}) {
    const auto plan = (*family)->Fit(profile, {.minutes = 20,
                                              .start_model = "/models/a \"b\".tlt",
                                              .start_arch = "resnet10",
                                              .remove = remove,
                                              .folder = "/my out",
                                              .key = "file:/my out/model.key"});
    ASSERT_THAT(plan, IsOk());
    for (const std::string& name : {plan->pipeline, plan->probe}) {
      const auto pipeline = ParsePipeline(
          {.text = plan->files.at(name),
           .name = JoinPath("/my out", name),
           .read_spec = [&](const std::string& spec) -> absl::StatusOr<std::string> {
             return plan->files.at(spec.substr(std::string("/my out/").size()));
           }});
      ASSERT_THAT(pipeline, IsOk());
      EXPECT_EQ(pipeline->results, "/my out/results");
      ExpectSpecsToBeRight(*pipeline);
    }
  }
}

}  // namespace
}  // namespace trainyard::orchestrator
