#include <stdlib.h>
#include <sys/stat.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/graph/graph.h"
#include "libs/quantization/calibration_table.h"
#include "libs/sealing/model_store.h"
#include "libs/service/client.h"
#include "services/export/prepare.h"
#include "tests/support/service_operations.h"
#include "tests/support/small_ssd.h"
#include "tests/support/ssd_spec_text.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::services {
namespace {

using service::Occasion;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;
using ::trainyard::testing::AwaitDone;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::SmallSsd;
using ::trainyard::testing::SmallSsdSpec;
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

// Exports of a model of the classes car and person, to their end.
class ExportOperationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(setenv("TRAINYARD_WORKER_DIR", DirName(TRAINYARD_STAGE_WORKER).c_str(), 1), 0);
    ASSERT_THAT(sealing::SaveModel(folder_ / "model.tlt", sealing::SealedKind::kCheckpoint,
                                   SmallSsd(), {}, ""),
                IsOk());
    ASSERT_THAT(MakeFolders(folder_ / "images"), IsOk());
    auto manager = service::OperationManager::Create(
        {.service = "export", .replica = "r1", .state_dir = folder_ / "state"});
    ASSERT_THAT(manager, IsOk());
    manager_ = *std::move(manager);
    manager_->AddStage(
        service::StageOf<v1::ExportRequest>("export", [this](const v1::ExportRequest& request) {
          return PrepareExport(request, workspace_, Occasion::kNew);
        }));
    ASSERT_THAT(manager_->Begin("host:7004"), IsOk());
    request_.mutable_stage()->set_network("ssd");
    AddArtifact("model.tlt", request_.mutable_stage()->add_inputs());
    AddArtifact("model.etlt", request_.mutable_stage()->add_outputs());
  }

  service::Operation Run() {
    const auto started = manager_->Start("export", request_);
    EXPECT_THAT(started, IsOk());
    return started.ok() ? AwaitDone(*manager_, started->name()) : service::Operation();
  }

  static std::vector<std::string> WarningsOf(const service::Operation& done) {
    std::vector<std::string> texts;
    const v1::OperationMetadata metadata = service::MetadataOf(done);
    for (const auto& warning : metadata.warnings()) texts.push_back(warning.message());
    return texts;
  }

  const TemporaryFolder folder_;
  const service::Workspace workspace_ = *service::Workspace::Create(folder_.path());
  std::unique_ptr<service::OperationManager> manager_;
  v1::ExportRequest request_;
};

TEST_F(ExportOperationTest, SaysWhatHasNoEffect) {
  v1::Artifact* images = request_.mutable_stage()->add_inputs();
  AddArtifact("images", images);
  images->set_name("cal_images");
  request_.mutable_options()->set_data_type("fp16");
  const service::Operation done = Run();
  const auto result = service::ResultOf(done);
  ASSERT_THAT(result, IsOk());
  EXPECT_THAT(result->notes(), ElementsAre(HasSubstr("weights stay f32")));
  const v1::OperationMetadata metadata = service::MetadataOf(done);
  ASSERT_EQ(metadata.warnings_size(), 1);
  EXPECT_THAT(metadata.warnings(0).message(), HasSubstr("'cal_images' has no effect"));
}

TEST_F(ExportOperationTest, ASpecForOtherClassesIsRefused) {
  const std::string spec = absl::StrReplaceAll(SmallSsdSpec(), {{"\"/data/", "\"data/"}});
  request_.mutable_stage()->set_spec_text(
      absl::StrReplaceAll(spec, {{"\"Person\"", "\"bicycle\""}}));
  EXPECT_THAT(service::ResultOf(Run()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("are car, person"), HasSubstr("bicycle, car"))));
  request_.mutable_stage()->set_spec_text(spec);
  EXPECT_THAT(service::ResultOf(Run()), IsOk());
}

// A training that diverged leaves such; engines refuse them, the runtimes that read plain ONNX do not.
TEST_F(ExportOperationTest, WeightsThatAreNotFiniteAreRefused) {
  Model model = SmallSsd();
  Tensor kernel = *model.graph.Initializer("conv1/kernel");
  kernel.data<float>()[0] = std::nanf("");
  ASSERT_THAT(model.graph.SetInitializer("conv1/kernel", kernel), IsOk());
  ASSERT_THAT(
      sealing::SaveModel(folder_ / "model.tlt", sealing::SealedKind::kCheckpoint, model, {}, ""),
      IsOk());
  EXPECT_THAT(service::ResultOf(Run()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("model.tlt'"), HasSubstr("node 'conv1'"),
                             HasSubstr("not finite"))));
  EXPECT_FALSE(FileExists(folder_ / "model.etlt"));
}

TEST_F(ExportOperationTest, TheEndingMakesPlainOnnxAndItIsSaid) {
  request_.mutable_stage()->mutable_outputs(0)->set_uri("plain/model.onnx");
  v1::Artifact* config = request_.mutable_stage()->add_outputs();
  AddArtifact("plain", config);
  config->set_name("ds_config");
  const service::Operation done = Run();
  const auto result = service::ResultOf(done);
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->outputs(0).name(), "model");
  EXPECT_EQ(result->outputs(0).kind(), "onnx");
  const auto graph = graph::Graph::Load(folder_ / "plain/model.onnx");
  ASSERT_THAT(graph, IsOk());
  EXPECT_THAT(graph->OutputNames(), UnorderedElementsAre("scores", "boxes"));
  EXPECT_THAT(ReadFile(folder_ / "plain/nvinfer_config.txt").value_or(""),
              HasSubstr("\nonnx-file=model.onnx\n"));
  EXPECT_THAT(WarningsOf(done), ElementsAre(HasSubstr("not encrypted")));
}

TEST_F(ExportOperationTest, AnotherEndingMakesAnEtltAndItIsSaid) {
  request_.mutable_stage()->mutable_outputs(0)->set_uri("model.hdf5");
  EXPECT_THAT(WarningsOf(Run()), ElementsAre(HasSubstr("model.hdf5' is an .etlt, whatever its")));
}

TEST_F(ExportOperationTest, AConfigForDeepStreamWithoutAModelIsSaid) {
  v1::Artifact* config = request_.mutable_stage()->add_outputs();
  AddArtifact("ds", config);
  config->set_name("ds_config");
  EXPECT_THAT(WarningsOf(Run()), ElementsAre(HasSubstr("names no model")));
}

// Both found the place free when they were asked for.
TEST_F(ExportOperationTest, TheSecondOfTwoIntoOnePlaceReplacesNothing) {
  const std::string gate = folder_ / "gate";
  ASSERT_EQ(mkfifo(gate.c_str(), 0600), 0);
  std::filesystem::permissions(
      folder_.Write("bin/trainyard-stage-worker",
                    "#!/bin/sh\nread word < '" + gate + "'\nexec '" TRAINYARD_STAGE_WORKER "' \"$@\"\n"),
      std::filesystem::perms::owner_all);
  ASSERT_EQ(setenv("TRAINYARD_WORKER_DIR", (folder_ / "bin").c_str(), 1), 0);
  const auto first = manager_->Start("export", request_), second = manager_->Start("export", request_);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  std::ofstream(gate) << "go\n";
  EXPECT_THAT(service::ResultOf(AwaitDone(*manager_, first->name())), IsOk());
  EXPECT_THAT(service::ResultOf(AwaitDone(*manager_, second->name())),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("model.etlt' was made since")));
}

// The folder of an ended operation stays for weeks; a copy of the model must not.
TEST_F(ExportOperationTest, TheUncalibratedCopyGoesEvenWhenTheCalibrationFails) {
  const auto write_program = [this](const std::string& name, const std::string& script) {
    std::filesystem::permissions(folder_.Write("bin/" + name, "#!/bin/sh\n" + script),
                                 std::filesystem::perms::owner_all);
  };
  write_program("trainyard-stage-worker", "exec '" TRAINYARD_STAGE_WORKER "' \"$@\"\n");
  const std::string find = "find '" + folder_ / "state" + "' -name '*.etlt'";
  write_program("trainyard-engine-worker", find + " > '" + folder_ / "seen" + "'\nexit 1\n");
  ASSERT_EQ(setenv("TRAINYARD_WORKER_DIR", (folder_ / "bin").c_str(), 1), 0);
  request_.mutable_options()->set_data_type("int8");
  v1::Artifact* images = request_.mutable_stage()->add_inputs();
  AddArtifact("images", images);
  images->set_name("cal_images");
  const auto result = service::ResultOf(Run());
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kInternal,
                               AllOf(HasSubstr("while working on 'images'"), HasSubstr("engine-worker"))));
  EXPECT_THAT(*ReadFile(folder_ / "seen"), EndsWith("uncalibrated.etlt\n"));
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder_ / "state")) {
    EXPECT_NE(file.path().extension(), ".etlt") << file.path();
  }
}

// INT8 with a table that is there: it is read, whatever else is given.
class ExportTableTest : public ExportOperationTest {
 protected:
  void SetUp() override {
    ExportOperationTest::SetUp();
    ASSERT_THAT(quantization::SaveCalibrationTable({.images = 3, .ranges = {{"Input", {-1, 2}}}},
                                                   folder_ / "cache.txt"),
                IsOk());
    request_.mutable_options()->set_data_type("int8");
    v1::Artifact* table = request_.mutable_stage()->add_outputs();
    AddArtifact("cache.txt", table);
    table->set_name("calibration");
  }
  void GiveImages() {
    v1::Artifact* images = request_.mutable_stage()->add_inputs();
    AddArtifact("images", images);
    images->set_name("cal_images");
  }
};

TEST_F(ExportTableTest, ATableThatIsThereIsReadAndKept) {
  const std::string before = *ReadFile(folder_ / "cache.txt");
  const service::Operation done = Run();
  const auto result = service::ResultOf(done);
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->outputs(1).name(), "calibration");
  EXPECT_EQ(*ReadFile(folder_ / "cache.txt"), before);
  EXPECT_THAT(WarningsOf(done), ElementsAre(HasSubstr("is there and is read")));
  const auto sealed =
      sealing::LoadModel(folder_ / "model.etlt", {sealing::SealedKind::kExport}, "");
  ASSERT_THAT(sealed, IsOk());
  ASSERT_TRUE(sealed->extra.contains("calibration"));
  EXPECT_EQ(sealed->extra.at("calibration"), before);
}

TEST_F(ExportTableTest, ImagesBesideItHaveNoEffectAndItIsSaid) {
  GiveImages();
  const service::Operation done = Run();
  EXPECT_THAT(service::ResultOf(done), IsOk()) << "the folder of images is empty";
  EXPECT_THAT(WarningsOf(done), ElementsAre(HasSubstr("'cal_images' has no effect, unless force")));
}

TEST_F(ExportTableTest, OneThatCannotBeReadIsRefused) {
  ASSERT_THAT(WriteFileAtomically(folder_ / "cache.txt", "TRT-8501-EntropyCalibration2\n"), IsOk());
  EXPECT_THAT(service::ResultOf(Run()), StatusIs(absl::StatusCode::kUnimplemented,
                                                 AllOf(HasSubstr("cache.txt"), HasSubstr("TensorRT"))));
}

TEST_F(ExportTableTest, OneOfAnotherModelIsSaid) {
  const quantization::CalibrationTable other{
      .weights_sha256 = std::string(64, 'a'), .images = 3, .ranges = {{"Input", {-1, 2}}}};
  ASSERT_THAT(quantization::SaveCalibrationTable(other, folder_ / "cache.txt"), IsOk());
  EXPECT_THAT(WarningsOf(Run()), Contains(HasSubstr("measured on other weights")));
}

TEST_F(ExportTableTest, WithoutImagesAndTableNothingIsCalibrated) {
  ASSERT_THAT(RemoveTree(folder_ / "cache.txt"), IsOk());
  EXPECT_THAT(manager_->Start("export", request_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("stage.inputs[cal_images] is missing"),
                             HasSubstr("cache.txt' is not there"))));
}

TEST_F(ExportTableTest, ImagesThatAreNamedAndNotThereAreOneProblem) {
  ASSERT_THAT(RemoveTree(folder_ / "cache.txt"), IsOk());
  GiveImages();
  request_.mutable_stage()->mutable_inputs(1)->set_uri("imagse");
  EXPECT_THAT(manager_->Start("export", request_),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("imagse"), Not(HasSubstr("is missing")))));
}

TEST_F(ExportTableTest, PlainOnnxHasNoPlaceForATable) {
  request_.mutable_stage()->mutable_outputs(0)->set_uri("model.onnx");
  ASSERT_THAT(service::ResultOf(Run()), IsOk()) << "it stays in the table's file";
  request_.mutable_stage()->mutable_outputs()->RemoveLast();
  GiveImages();
  EXPECT_THAT(manager_->Start("export", request_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has no place")));
}

}  // namespace
}  // namespace trainyard::services
