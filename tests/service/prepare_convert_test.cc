#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/convert/prepare.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::services {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

constexpr char kConvertSpec[] = R"(
kitti_config { root_directory_path: "." image_dir_name: "evil/images" label_dir_name: "evil/labels"
               partition_mode: "random" }
)";
constexpr char kAugmentSpec[] = R"(
output_image_width: 64 output_image_height: 64
dataset_config { image_path: "evil/images" label_path: "evil/labels" }
)";

void AddArtifact(const char* name, const char* uri, v1::Artifact* artifact) {
  artifact->set_name(name);
  artifact->set_uri(uri);
}

// A workspace whose folder `evil` may be a link to data outside.
class PrepareConvertTest : public ::testing::Test {
 protected:
  PrepareConvertTest() : workspace_(*service::Workspace::Create(folder_.Folder("work"))) {
    folder_.Folder("outside/images");
    folder_.Folder("outside/labels");
    convert_.mutable_stage()->set_network("ssd");
    convert_.mutable_stage()->set_spec_text(kConvertSpec);
    AddArtifact("dataset", "out", convert_.mutable_stage()->add_outputs());
    augment_.mutable_stage()->set_network("ssd");
    augment_.mutable_stage()->set_spec_text(kAugmentSpec);
    AddArtifact("root", ".", augment_.mutable_stage()->add_inputs());
    AddArtifact("dataset", "out", augment_.mutable_stage()->add_outputs());
  }

  TemporaryFolder folder_;
  service::Workspace workspace_;
  v1::ConvertRequest convert_;
  v1::AugmentRequest augment_;
};

TEST_F(PrepareConvertTest, AListOfClassesThatIsEmptyIsRefused) {
  folder_.Folder("work/evil/images");
  folder_.Folder("work/evil/labels");
  folder_.Write("work/classes.txt", "\n  \n");
  AddArtifact("class_names", "classes.txt", convert_.mutable_stage()->add_inputs());
  EXPECT_THAT(PrepareConvert(convert_, workspace_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("stage.inputs[class_names] is '"),
                             HasSubstr("classes.txt', which names no class"))));
}

TEST_F(PrepareConvertTest, FoldersBelowTheRootDoNotLeaveTheWorkspace) {
  std::filesystem::create_symlink("../outside", folder_ / "work/evil");
  EXPECT_THAT(PrepareConvert(convert_, workspace_),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       AllOf(HasSubstr("image_dir_name is 'evil/images'"),
                             HasSubstr("label_dir_name is 'evil/labels'"),
                             HasSubstr("by a symbolic link"))));
  EXPECT_THAT(
      PrepareAugment(augment_, workspace_),
      StatusIs(absl::StatusCode::kPermissionDenied,
               AllOf(HasSubstr("image_path is 'evil/images'"),
                     HasSubstr("label_path is 'evil/labels'"), HasSubstr("by a symbolic link"))));
}

TEST_F(PrepareConvertTest, FoldersOfTheWorkspaceAreTaken) {
  folder_.Folder("work/evil/images");
  folder_.Folder("work/evil/labels");
  EXPECT_THAT(PrepareConvert(convert_, workspace_), IsOk());
  EXPECT_THAT(PrepareAugment(augment_, workspace_), IsOk());
}

TEST_F(PrepareConvertTest, TheMapOfSequencesDoesNotLeaveTheWorkspace) {
  folder_.Folder("work/images");
  std::filesystem::create_symlink("../outside", folder_ / "work/evil");
  convert_.mutable_stage()->set_spec_text(R"(
      kitti_config { root_directory_path: "." image_dir_name: "images" label_dir_name: "images"
                     partition_mode: "sequence" kitti_sequence_to_frames_file: "evil/map.json" })");
  EXPECT_THAT(PrepareConvert(convert_, workspace_),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr("kitti_sequence_to_frames_file is 'evil/map.json'")));
}

TEST_F(PrepareConvertTest, PathsOfAYamlSpecMayBeWholeOrLieBelowTheRoot) {
  folder_.Folder("work/set/images");
  folder_.Write("work/set/a.json", "{}");
  v1::StageInput& stage = *augment_.mutable_stage();
  stage.set_spec_text("data: {image_dir: images, ann_path: a.json}\nblur_aug: {size: [3]}\n");
  stage.mutable_inputs(0)->set_uri("set");
  EXPECT_THAT(PrepareAugment(augment_, workspace_), IsOk());
  stage.clear_inputs();
  stage.set_spec_text("data: {image_dir: set/images, ann_path: set/a.json}\nblur_aug: {size: [3]}\n");
  EXPECT_THAT(PrepareAugment(augment_, workspace_), IsOk());
  stage.set_spec_text("data: {image_dir: set/images, ann_path: out/annotations.json}\nblur_aug:\n");
  EXPECT_THAT(PrepareAugment(augment_, workspace_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("whose annotations.json is the spec's data.ann_path")));
}

TEST_F(PrepareConvertTest, PathsOfAYamlSpecDoNotLeaveTheWorkspace) {
  std::filesystem::create_symlink("../outside", folder_ / "work/evil");
  v1::StageInput& stage = *augment_.mutable_stage();
  stage.clear_inputs();
  stage.set_spec_text("data: {dataset_type: kitti, image_dir: evil/images, ann_path: evil/labels}\n");
  EXPECT_THAT(PrepareAugment(augment_, workspace_),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       AllOf(HasSubstr("data.image_dir is 'evil/images'"),
                             HasSubstr("data.ann_path is 'evil/labels'"))));
}

TEST_F(PrepareConvertTest, ASpecInTextFormNeedsItsRoot) {
  augment_.mutable_stage()->clear_inputs();
  EXPECT_THAT(PrepareAugment(augment_, workspace_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("stage.inputs has no 'root'")));
}

}  // namespace
}  // namespace trainyard::services
