// The five stage services as the orchestrator reaches them: every kind of stage has its method, its
// row, and its place in the capabilities.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/house.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/service/server.h"
#include "services/orchestrator/grpc_stage_client.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::orchestrator {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

class StageServicesTest : public ::testing::TestWithParam<stages::StageKind> {
 protected:
  void SetUp() override {
    const auto program = cli::ProgramOf(GetParam().service);
    ASSERT_THAT(program, IsOk());
    service::ServerOptions options;
    options.service = GetParam().service;
    options.address = "";
    options.workspace = folder_.Folder("work");
    options.state_dir = folder_ / "state";
    options.capabilities = program->capabilities;
    auto server = service::Server::Start(options, program->factory);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }

  TemporaryFolder folder_;
  std::unique_ptr<service::Server> server_;
  GrpcStageClient client_{[this](const std::string&) { return server_->InProcessChannel(); }};
};

// "knows a, b": how a request with a name that no stage has is refused.
std::string Knows(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  return absl::StrCat("knows ", names.empty() ? "none" : absl::StrJoin(names, ", "));
}

TEST_P(StageServicesTest, ItsMethodKnowsTheInputsAndOutputsOfTheKind) {
  const stages::StageKind& kind = GetParam();
  StageCall call{.kind = &kind};
  call.options.reset(kind.options->New());
  call.stage.add_inputs()->set_name("@");
  call.stage.add_outputs()->set_name("@");
  std::vector<std::string> inputs = kind.required_inputs, outputs;
  inputs.insert(inputs.end(), kind.optional_inputs.begin(), kind.optional_inputs.end());
  for (const stages::OutputPlace& output : kind.outputs) outputs.push_back(output.name);
  EXPECT_THAT(client_.Start("in process", call),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("stage.inputs has '@'; this stage " + Knows(inputs)),
                             HasSubstr("stage.outputs has '@'; this stage " + Knows(outputs)))));
}

TEST_P(StageServicesTest, ItIsAmongTheCapabilities) {
  const auto capabilities = client_.Capabilities("in process");
  ASSERT_THAT(capabilities, IsOk());
  EXPECT_THAT(capabilities->stages(), Contains(GetParam().name));
  EXPECT_THAT(capabilities->networks(), Contains("ssd"));
}

TEST_P(StageServicesTest, AKindOfAnotherServiceIsRefusedInWords) {
  const auto other = std::find_if(
      stages::StageKinds().begin(), stages::StageKinds().end(),
      [](const stages::StageKind& kind) { return kind.service != GetParam().service; });
  StageCall call{.kind = &*other};
  call.options.reset(other->options->New());
  EXPECT_THAT(client_.Start("in process", call),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("is another service there?")));
}

INSTANTIATE_TEST_SUITE_P(AllKinds, StageServicesTest, ::testing::ValuesIn(stages::StageKinds()),
                         [](const auto& info) { return info.param.name; });

TEST(StageProgramTest, TellsWhatItsTableSays) {
  const auto program = cli::ProgramOf("train");
  ASSERT_THAT(program, IsOk());
  EXPECT_THAT(program->capabilities.stages(), ElementsAreArray({"train", "evaluate", "infer"}));
  EXPECT_THAT(program->capabilities.formats(), IsSupersetOf({"tlt", "etlt"}));
  EXPECT_THAT(program->capabilities.unimplemented(), Contains(HasSubstr("several GPUs")));
}

}  // namespace
}  // namespace trainyard::orchestrator
