#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "services/export/prepare.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard {
namespace {

using service::Occasion;
using ::testing::HasSubstr;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

void AddArtifact(const char* uri, v1::Artifact* artifact) {
  artifact->set_name("model");
  artifact->set_uri(uri);
}

// The service dies after the file got its name and before the operation's end was stored.
TEST(PrepareExportTest, OnlyAnOperationThatIsTakenUpMayFindItsOutput) {
  const TemporaryFolder folder;
  const auto workspace = service::Workspace::Create(folder.path());
  ASSERT_THAT(workspace, IsOk());
  for (const char* name : {"model.tlt", "model.etlt"}) {
    ASSERT_THAT(WriteFileAtomically(folder / name, "x"), IsOk());
  }
  v1::ExportRequest request;
  request.mutable_stage()->set_network("ssd");
  AddArtifact("model.tlt", request.mutable_stage()->add_inputs());
  AddArtifact("model.etlt", request.mutable_stage()->add_outputs());
  EXPECT_THAT(PrepareExport(request, *workspace, Occasion::kNew),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("set force")));
  EXPECT_THAT(PrepareExport(request, *workspace, Occasion::kTakenUp), IsOk());
  request.mutable_options()->set_force(true);
  EXPECT_THAT(PrepareExport(request, *workspace, Occasion::kNew), IsOk());
}

}  // namespace
}  // namespace trainyard
