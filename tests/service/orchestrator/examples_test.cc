// The pipelines and specs that we ship are right, as far as that can be told without data.
#include "gmock/gmock.h"
#include "libs/base/files.h"
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

}  // namespace
}  // namespace trainyard::orchestrator
