#include "libs/spec/paths.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/networks/ssd/ssd_spec.h"
#include "libs/spec/dataset_spec.h"
#include "tests/support/status_matchers.h"

namespace trainyard::spec {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

absl::StatusOr<std::string> BelowRoot(absl::string_view path) {
  if (absl::StrContains(path, "..")) {
    return absl::PermissionDeniedError("the path leaves the workspace");
  }
  return absl::StrCat("/root/", path);
}

TEST(RewritePathsTest, ChangesPathsAtAnyDepthAndNothingElse) {
  auto spec = networks::ParseExperiment(
      "dataset_config { data_sources { tfrecords_path: 'a*' } data_sources { image_directory_path: "
      "'i' "
      "label_directory_path: 'l' root_path: 'r' } validation_data_sources { tfrecords_path: '' } } "
      "training_config { pretrain_model_path: 'm.tlt' } ssd_config { arch: 'resnet' }",
      "s", {}, nullptr);
  ASSERT_THAT(spec, IsOk());
  ASSERT_THAT(RewritePaths(&*spec, BelowRoot), IsOk());
  EXPECT_EQ(spec->dataset_config().data_sources(0).tfrecords_path(), "/root/a*");
  EXPECT_EQ(spec->dataset_config().data_sources(1).image_directory_path(), "/root/i");
  EXPECT_EQ(spec->dataset_config().data_sources(1).label_directory_path(), "/root/l");
  EXPECT_EQ(spec->dataset_config().data_sources(1).root_path(), "r");
  EXPECT_EQ(spec->dataset_config().validation_data_sources(0).tfrecords_path(), "");
  EXPECT_EQ(spec->training_config().pretrain_model_path(), "/root/m.tlt");
  EXPECT_EQ(spec->ssd_config().arch(), "resnet");
}

TEST(RewritePathsTest, FoldersBelowTheRootStayAsTheyAre) {
  auto spec = ParseDatasetExport(
      "kitti_config { root_directory_path: 'd' image_dir_name: 'images' } image_directory_path: "
      "'d'",
      "s", {}, nullptr);
  ASSERT_THAT(spec, IsOk());
  ASSERT_THAT(RewritePaths(&*spec, BelowRoot), IsOk());
  EXPECT_EQ(spec->kitti_config().root_directory_path(), "/root/d");
  EXPECT_EQ(spec->image_directory_path(), "/root/d");
  EXPECT_EQ(spec->kitti_config().image_dir_name(), "images");
}

TEST(RewritePathsTest, NamesEveryPathThatFailsAndChangesNothing) {
  auto spec = networks::ParseExperiment(
      "dataset_config { data_sources { image_directory_path: '../a' label_directory_path: 'l' } "
      "validation_data_sources { tfrecords_path: '../b' } }",
      "s", {}, nullptr);
  ASSERT_THAT(spec, IsOk());
  EXPECT_THAT(
      RewritePaths(&*spec, BelowRoot),
      StatusIs(absl::StatusCode::kPermissionDenied,
               AllOf(HasSubstr("data_sources[0].image_directory_path is '../a': the path leaves"),
                     HasSubstr("validation_data_sources[0].tfrecords_path is '../b'"))));
  EXPECT_EQ(spec->dataset_config().data_sources(0).label_directory_path(), "l");
}

}  // namespace
}  // namespace trainyard::spec
