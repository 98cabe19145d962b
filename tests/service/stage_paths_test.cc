// What the stages say at the call of the paths that they are given: no input and no file of anybody
// else's is ever replaced, and what is not there or of the wrong kind is told before any work.
#include <unistd.h>

#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "libs/sealing/model_file.h"
#include "services/convert-engine/prepare.h"
#include "services/convert/prepare.h"
#include "services/export/prepare.h"
#include "services/prune/prepare.h"
#include "services/train/prepare.h"
#include "tests/support/ssd_spec_text.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::services {
namespace {

using service::Occasion;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::SmallSsdSpec;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

class StagePathsTest : public ::testing::Test {
 protected:
  StagePathsTest() : workspace_(*service::Workspace::Create(folder_.path())) {
    Seal("model.tlt", sealing::SealedKind::kCheckpoint);
    Seal("model.etlt", sealing::SealedKind::kExport);
    Write("data.txt", "mine");
  }

  void Seal(const std::string& name, sealing::SealedKind kind) {
    ASSERT_THAT(sealing::SaveSealed(folder_ / name, kind, {{"record", ""}}, ""), IsOk());
  }
  void Write(const std::string& name, const std::string& text) {
    ASSERT_THAT(MakeFolders(DirName(folder_ / name)), IsOk());
    ASSERT_THAT(WriteFileAtomically(folder_ / name, text), IsOk());
  }

  template <typename Request>
  static Request On(const std::string& name, const std::string& uri) {
    Request request;
    request.mutable_stage()->set_network("ssd");
    Name(request.mutable_stage()->add_inputs(), name, uri);
    return request;
  }
  template <typename Request>
  static Request On(const std::string& model) {
    return On<Request>("model", model);
  }
  static void Name(v1::Artifact* artifact, const std::string& name, const std::string& uri) {
    artifact->set_name(name);
    artifact->set_uri(uri);
  }
  template <typename Request>
  static Request To(Request request, const std::string& name, const std::string& uri) {
    Name(request.mutable_stage()->add_outputs(), name, uri);
    return request;
  }

  absl::Status Prune(const v1::PruneRequest& request) {
    return PreparePrune(request, workspace_).status();
  }
  absl::Status Build(const v1::BuildRequest& request) {
    return PrepareBuild(request, workspace_).status();
  }
  absl::Status Export(const v1::ExportRequest& request) {
    return PrepareExport(request, workspace_, Occasion::kNew).status();
  }
  absl::Status Infer(const v1::InferRequest& request) {
    return PrepareInfer(request, workspace_).status();
  }

  // A spec whose data lies in the folder's data/.
  std::string Spec() { return absl::StrReplaceAll(SmallSsdSpec(), {{"\"/data/", "\"data/"}}); }

  const TemporaryFolder folder_;
  const service::Workspace workspace_;
};

TEST_F(StagePathsTest, NoOutputIsAnInput) {
  const std::string both = "is '" + folder_ / "model.tlt" + "', which stage.inputs[model] is too";
  EXPECT_THAT(Prune(To(On<v1::PruneRequest>("model.tlt"), "model", "./sub/../model.tlt")),
              StatusIs(kInvalid, HasSubstr("stage.outputs[model] " + both)));
  v1::ExportRequest exported = To(On<v1::ExportRequest>("model.tlt"), "model", "model.tlt");
  exported.mutable_options()->set_force(true);
  EXPECT_THAT(Export(exported), StatusIs(kInvalid, HasSubstr("stage.outputs[model] " + both)));
  EXPECT_THAT(Build(To(On<v1::BuildRequest>("model.etlt"), "engine", "model.etlt")),
              StatusIs(kInvalid, HasSubstr("which stage.inputs[model] is too")));
}

TEST_F(StagePathsTest, AnOutputIsNoInputByAnotherNameEither) {
  ASSERT_EQ(symlink("model.tlt", (folder_ / "link.tlt").c_str()), 0);
  EXPECT_THAT(Prune(To(On<v1::PruneRequest>("link.tlt"), "model", "model.tlt")),
              StatusIs(kInvalid, HasSubstr("which stage.inputs[model] is too")));
}

TEST_F(StagePathsTest, NoTwoOutputsAreOne) {
  v1::ExportRequest request = To(On<v1::ExportRequest>("model.tlt"), "model", "new.etlt");
  EXPECT_THAT(Export(To(request, "onnx", "new.etlt")),
              StatusIs(kInvalid, AllOf(HasSubstr("stage.outputs[onnx] is '"),
                                       HasSubstr("which stage.outputs[model] is too"))));
  EXPECT_THAT(Export(To(request, "onnx", "new.onnx")), IsOk());
}

TEST_F(StagePathsTest, NoOutputIsTheSpec) {
  Write("spec.txt", Spec());
  v1::ExportRequest request = To(On<v1::ExportRequest>("model.tlt"), "model", "spec.txt");
  request.mutable_stage()->set_spec_uri("spec.txt");
  request.mutable_options()->set_force(true);
  EXPECT_THAT(Export(request), StatusIs(kInvalid, HasSubstr("which stage.spec_uri is too")));
}

TEST_F(StagePathsTest, PruneReplacesACheckpointAndNothingElse) {
  const auto to = [&](const char* name) {
    return Prune(To(On<v1::PruneRequest>("model.tlt"), "model", name));
  };
  EXPECT_THAT(to("new.tlt"), IsOk());
  Seal("new.tlt", sealing::SealedKind::kCheckpoint);
  EXPECT_THAT(to("new.tlt"), IsOk());
  EXPECT_THAT(to("model.etlt"), StatusIs(absl::StatusCode::kAlreadyExists,
                                         AllOf(HasSubstr("only an earlier checkpoint (.tlt)"),
                                               HasSubstr("export (.etlt)"))));
  EXPECT_THAT(to("data.txt"),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("no model of ours")));
}

TEST_F(StagePathsTest, BuildReplacesAnEngineAndNothingElse) {
  const auto to = [&](const char* name) {
    return Build(To(On<v1::BuildRequest>("model.etlt"), "engine", name));
  };
  Seal("old.engine", sealing::SealedKind::kEngine);
  EXPECT_THAT(to("old.engine"), IsOk());
  EXPECT_THAT(to("model.tlt"), StatusIs(absl::StatusCode::kAlreadyExists,
                                        HasSubstr("only an earlier engine (.engine)")));
}

TEST_F(StagePathsTest, ExportLeavesLabelsOfOthers) {
  v1::ExportRequest request = To(On<v1::ExportRequest>("model.tlt"), "model", "ds/new.etlt");
  request = To(request, "ds_config", "ds");
  Write("ds/labels.txt", "background\nbolt\n");
  EXPECT_THAT(Export(request), IsOk());
  Write("ds/labels.txt", "what I found\n");
  EXPECT_THAT(Export(request),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("ds/labels.txt' would be")));
  request.mutable_options()->set_force(true);
  EXPECT_THAT(Export(request), IsOk());
}

TEST_F(StagePathsTest, AugmentReplacesOnlyWhatItMade) {
  v1::AugmentRequest request = On<v1::AugmentRequest>("root", ".");
  request.mutable_stage()->set_spec_text(
      R"(dataset_config { image_path: "made/images" label_path: "labels" })");
  Write("mine/images/1.png", "x");
  EXPECT_THAT(PrepareAugment(To(request, "dataset", "new"), workspace_), IsOk());
  EXPECT_THAT(PrepareAugment(To(request, "dataset", "mine"), workspace_),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("a folder images/")));
  Write("mine/ledger.jsonl", "");
  EXPECT_THAT(PrepareAugment(To(request, "dataset", "mine"), workspace_), IsOk());
  Write("made/ledger.jsonl", "");
  EXPECT_THAT(
      PrepareAugment(To(request, "dataset", "made"), workspace_),
      StatusIs(kInvalid, HasSubstr("whose images/ holds the spec's dataset_config.image_")));
}

TEST_F(StagePathsTest, AFileIsNoFolderAndAFolderNoFile) {
  ASSERT_THAT(MakeFolders(folder_ / "folder"), IsOk());
  const auto is_file = StatusIs(kInvalid, HasSubstr("data.txt' is a file; name a folder"));
  const auto is_folder = StatusIs(kInvalid, HasSubstr("folder' is a folder; name a file"));
  v1::TrainRequest train;
  EXPECT_THAT(PrepareTrain(To(train, "results", "data.txt"), workspace_), is_file);
  EXPECT_THAT(PrepareEvaluate(To(v1::EvaluateRequest(), "results", "data.txt"), workspace_),
              is_file);
  EXPECT_THAT(Infer(To(v1::InferRequest(), "images", "data.txt")), is_file);
  EXPECT_THAT(Infer(To(v1::InferRequest(), "labels", "data.txt")), is_file);
  EXPECT_THAT(PrepareAugment(To(v1::AugmentRequest(), "dataset", "data.txt"), workspace_), is_file);
  EXPECT_THAT(Export(To(v1::ExportRequest(), "ds_config", "data.txt")), is_file);
  EXPECT_THAT(PrepareConvert(To(v1::ConvertRequest(), "dataset", "folder"), workspace_), is_folder);
  EXPECT_THAT(Prune(To(v1::PruneRequest(), "model", "folder")), is_folder);
  EXPECT_THAT(Build(To(v1::BuildRequest(), "engine", "folder")), is_folder);
  EXPECT_THAT(Prune(To(v1::PruneRequest(), "model", "data.txt/new.tlt")),
              StatusIs(kInvalid, HasSubstr("data.txt' is a file, not a folder")));
}

TEST_F(StagePathsTest, TheSpecsDataMustBeThereAllOfIt) {
  v1::TrainRequest request;
  request.mutable_stage()->set_network("ssd");
  request.mutable_stage()->set_spec_text(Spec());
  request = To(request, "results", "results");
  const auto trained = PrepareTrain(request, workspace_).status();
  EXPECT_THAT(trained, StatusIs(absl::StatusCode::kNotFound,
                                AllOf(HasSubstr(".data_sources[0].label_directory_path is '"),
                                      HasSubstr(".data_sources[0].image_directory_path is '"),
                                      HasSubstr("validation_data_sources[0].image_directory"))));
  for (const char* folder : {"data/images", "data/labels", "data/val_images", "data/val_labels"}) {
    ASSERT_THAT(MakeFolders(folder_ / folder), IsOk());
  }
  EXPECT_THAT(PrepareTrain(request, workspace_), IsOk());
}

TEST_F(StagePathsTest, WhatIsFoundDoesNotComeToLieOverTheData) {
  ASSERT_THAT(MakeFolders(folder_ / "data/images"), IsOk());
  v1::InferRequest request = On<v1::InferRequest>("model.tlt");
  request.mutable_stage()->set_spec_text(Spec());
  EXPECT_THAT(Infer(request), StatusIs(kInvalid, HasSubstr("name 'images' or 'labels'")));
  v1::Artifact* images = request.mutable_stage()->add_inputs();
  Name(images, "images", "data/images");
  EXPECT_THAT(Infer(To(request, "labels", "found")), IsOk());
  EXPECT_THAT(Infer(To(request, "images", "data/images")),
              StatusIs(kInvalid, HasSubstr("which stage.inputs[images] is too")));
  EXPECT_THAT(Infer(To(request, "labels", "data/labels")),
              StatusIs(kInvalid, HasSubstr("label_directory_path is too")));
  Write("data/images/1.png", "x");
  images->set_uri("data/images/1.png");
  EXPECT_THAT(Infer(To(request, "images", "data/images")),
              StatusIs(kInvalid, HasSubstr("the folder of stage.inputs[images]")));
}

TEST_F(StagePathsTest, ResultsDoNotComeToLieInTheData) {
  for (const char* folder : {"data/images", "data/labels", "data/val_images", "data/val_labels"}) {
    ASSERT_THAT(MakeFolders(folder_ / folder), IsOk());
  }
  v1::EvaluateRequest evaluate = On<v1::EvaluateRequest>("model.tlt");
  evaluate.mutable_stage()->set_spec_text(Spec());
  v1::TrainRequest train;
  train.mutable_stage()->set_network("ssd");
  train.mutable_stage()->set_spec_text(Spec());
  for (const char* folder : {"data/val_labels", "data/./val_images"}) {
    const auto is_data = StatusIs(kInvalid, AllOf(HasSubstr("stage.outputs[results] is '"),
                                                  HasSubstr("_directory_path is too")));
    EXPECT_THAT(PrepareEvaluate(To(evaluate, "results", folder), workspace_), is_data);
    EXPECT_THAT(PrepareTrain(To(train, "results", folder), workspace_), is_data);
  }
  EXPECT_THAT(PrepareEvaluate(To(evaluate, "results", "data/results"), workspace_), IsOk());
  EXPECT_THAT(PrepareTrain(To(train, "results", "data/results"), workspace_), IsOk());
}

TEST_F(StagePathsTest, ACheckOfARequestLooksIntoTheModelsHeader) {
  Write("hdf5.tlt", "\x89HDF\r\n\x1a\n");
  ASSERT_THAT(MakeFolders(folder_ / "folder.tlt"), IsOk());
  v1::PruneRequest prune = To(On<v1::PruneRequest>("hdf5.tlt"), "model", "new.tlt");
  EXPECT_THAT(Prune(prune), IsOk()) << "the work says it";
  prune.set_validate_only(true);
  EXPECT_THAT(Prune(prune), StatusIs(kInvalid, HasSubstr("HDF5")));
  for (const auto& [name, said] :
       {std::pair("data.txt", "data.txt"), std::pair("folder.tlt", "is a folder"),
        std::pair("model.etlt", "of kind export (.etlt); expected checkpoint (.tlt)")}) {
    prune.mutable_stage()->mutable_inputs(0)->set_uri(name);
    EXPECT_THAT(Prune(prune),
                StatusIs(kInvalid, AllOf(HasSubstr("stage.inputs[model]"), HasSubstr(said))));
  }
  prune.mutable_stage()->mutable_inputs(0)->set_uri("model.tlt");
  EXPECT_THAT(Prune(prune), IsOk());
  v1::BuildRequest build = To(On<v1::BuildRequest>("model.etlt"), "engine", "new.engine");
  build.set_validate_only(true);
  EXPECT_THAT(Build(build), IsOk());
  Seal("a.etlt", sealing::SealedKind::kCheckpoint);
  build.mutable_stage()->mutable_inputs(0)->set_uri("a.etlt");
  EXPECT_THAT(Build(build), StatusIs(kInvalid, HasSubstr("expected export (.etlt)")));
}

TEST_F(StagePathsTest, NothingThatIsGivenIsPassedOver) {
  v1::PruneRequest prune = To(On<v1::PruneRequest>("model.tlt"), "model", "new.tlt");
  prune.mutable_stage()->set_spec_text("garbage");
  prune.mutable_stage()->add_overrides("a = 1");
  EXPECT_THAT(Prune(prune), StatusIs(kInvalid, AllOf(HasSubstr("no use for a spec"),
                                                     HasSubstr("stage.overrides has 1 entries"))));
  v1::BuildRequest build = To(On<v1::BuildRequest>("model.etlt"), "engine", "new.engine");
  build.mutable_stage()->set_spec_uri("data.txt");
  EXPECT_THAT(Build(build), StatusIs(kInvalid, HasSubstr("stage.spec_uri is given")));
  v1::ExportRequest exported = To(On<v1::ExportRequest>("model.tlt"), "model", "new.etlt");
  exported.mutable_stage()->add_overrides("a = 1");
  EXPECT_THAT(Export(exported), StatusIs(kInvalid, HasSubstr("there is no spec")));
}

TEST_F(StagePathsTest, TheNetworkIsOneWeKnow) {
  const auto unknown = StatusIs(kInvalid, HasSubstr("stage.network is 'foo'; expected one of ssd"));
  v1::BuildRequest build = To(On<v1::BuildRequest>("model.etlt"), "engine", "new.engine");
  build.mutable_stage()->set_network("foo");
  EXPECT_THAT(Build(build), unknown);
  v1::AugmentRequest augment;
  augment.mutable_stage()->set_network("foo");
  EXPECT_THAT(PrepareAugment(augment, workspace_), unknown);
  v1::EvaluateRequest evaluate = On<v1::EvaluateRequest>("model.tlt");
  evaluate.mutable_stage()->set_network("foo");
  evaluate.mutable_stage()->set_spec_text(Spec());
  EXPECT_THAT(PrepareEvaluate(evaluate, workspace_),
              StatusIs(kInvalid, AllOf(HasSubstr("stage.network is 'foo'"),
                                       Not(HasSubstr("there is no network")))));
}

TEST_F(StagePathsTest, Bf16IsKnownAndNotOffered) {
  const auto bf16 = StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("'bf16'"));
  v1::BuildRequest build = To(On<v1::BuildRequest>("model.etlt"), "engine", "new.engine");
  build.mutable_options()->set_data_type("bf16");
  EXPECT_THAT(Build(build), bf16);
  v1::ExportRequest exported = To(On<v1::ExportRequest>("model.tlt"), "model", "new.etlt");
  exported.mutable_options()->set_data_type("bf16");
  EXPECT_THAT(Export(exported), bf16);
}

TEST_F(StagePathsTest, ABuildNamesBatchesThatNoEngineTakes) {
  v1::BuildRequest build = To(On<v1::BuildRequest>("model.etlt"), "engine", "new.engine");
  build.mutable_options()->set_max_batch_size(1025);
  EXPECT_THAT(Build(build), StatusIs(kInvalid, AllOf(HasSubstr("options.max_batch_size is 1025"),
                                                     HasSubstr("1024"))));
  build.mutable_options()->set_max_batch_size(1024);
  EXPECT_THAT(Build(build), IsOk());
}

TEST_F(StagePathsTest, PruneNamesAllThatIsWrongWithItsOptions) {
  v1::PruneRequest request = To(On<v1::PruneRequest>("model.tlt"), "model", "new.tlt");
  v1::PruneOptions& options = *request.mutable_options();
  options.set_normalizer("x");
  options.set_equalization_criterion("y");
  options.set_granularity(0);
  options.set_min_num_filters(-1);
  options.set_threshold(std::numeric_limits<double>::infinity());
  EXPECT_EQ(ProblemsFrom(Prune(request)).size(), 5);
}

TEST_F(StagePathsTest, PruneNamesItsOptionsAsTheRequestDoes) {
  v1::PruneRequest request = To(On<v1::PruneRequest>("model.tlt"), "model", "new.tlt");
  request.mutable_options()->set_min_num_filters(-1);
  request.mutable_options()->set_granularity(0);
  EXPECT_THAT(Prune(request), StatusIs(kInvalid, AllOf(HasSubstr("options.min_num_filters is -1"),
                                                       HasSubstr("options.granularity is 0"))));
}

}  // namespace
}  // namespace trainyard::services
