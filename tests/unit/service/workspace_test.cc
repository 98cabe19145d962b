#include "libs/service/workspace.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::service {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

class WorkspaceTest : public ::testing::Test {
 protected:
  WorkspaceTest() : root_(folder_.Folder("root")), space_(*Workspace::Create(root_)) {
    folder_.Write("root/data/a.txt", "abc");
    folder_.Write("outside/secret.txt", "secret");
  }
  TemporaryFolder folder_;
  std::string root_;
  Workspace space_;
};

TEST_F(WorkspaceTest, RelativeAbsoluteAndFileUrisMeanTheSame) {
  const std::string path = root_ + "/data/a.txt";
  EXPECT_THAT(space_.Resolve("data/a.txt"), IsOkAndHolds(path));
  EXPECT_THAT(space_.Resolve(path), IsOkAndHolds(path));
  EXPECT_THAT(space_.Resolve("file://" + path), IsOkAndHolds(path));
  EXPECT_THAT(space_.Resolve("./data//x/../a.txt"), IsOkAndHolds(path));
  EXPECT_THAT(space_.Resolve("."), IsOkAndHolds(root_));
}

TEST_F(WorkspaceTest, WhatIsNotThereYetResolves) {
  EXPECT_THAT(space_.Resolve("new/folder/model.tlt"), IsOkAndHolds(root_ + "/new/folder/model.tlt"));
  EXPECT_THAT(space_.ResolveExisting("new/folder"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("'new/folder' is not there")));
}

TEST_F(WorkspaceTest, DotsDoNotLeave) {
  for (const char* uri : {"../outside/secret.txt", "data/../../outside", "..", "/../etc"}) {
    EXPECT_THAT(space_.Resolve(uri), StatusIs(absl::StatusCode::kPermissionDenied,
                                              HasSubstr("leaves the workspace")))
        << uri;
  }
}

TEST_F(WorkspaceTest, AbsolutePathsElsewhereAreRefused) {
  EXPECT_THAT(space_.Resolve("/etc/passwd"),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("'/etc/passwd'")));
  // The root is a prefix of this as a text, not as a folder.
  EXPECT_THAT(space_.Resolve(root_ + "-elsewhere/x"), StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(WorkspaceTest, LinksDoNotLeave) {
  fs::create_symlink("../outside", root_ + "/link");
  fs::create_symlink(folder_ / "outside", root_ + "/absolute");
  fs::create_symlink("../not-there-yet", root_ + "/dangling");
  for (const char* uri : {"link/secret.txt", "link/new.txt", "absolute/secret.txt", "dangling"}) {
    EXPECT_THAT(space_.Resolve(uri), StatusIs(absl::StatusCode::kPermissionDenied,
                                              HasSubstr("by a symbolic link")))
        << uri;
  }
  fs::create_symlink("data", root_ + "/inside");
  EXPECT_THAT(space_.Resolve("inside/a.txt"), IsOk());
}

TEST_F(WorkspaceTest, WhatAPatternOrAPrefixReachesDoesNotLeave) {
  fs::create_symlink("../outside", root_ + "/link");
  fs::create_symlink("../../outside/secret.txt", root_ + "/data/set-fold-000-of-002");
  const auto leaves =
      StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("by a symbolic link"));
  for (const char* uri : {"lin*/secret.txt", "l?nk/*", "[k-m]ink", "data/*", "data/set"}) {
    EXPECT_THAT(space_.ResolveToRead(uri), leaves) << uri;
    EXPECT_THAT(space_.ResolveExisting(uri), leaves) << uri;
  }
  EXPECT_THAT(space_.ResolveToRead("data/a.*"), IsOkAndHolds(root_ + "/data/a.*"));
  EXPECT_THAT(space_.ResolveToRead("data/a"), IsOkAndHolds(root_ + "/data/a"));
  EXPECT_THAT(space_.ResolveToRead("nothing*"), IsOk());
}

TEST_F(WorkspaceTest, ANewOutputIsNotTakenForThePrefixOfALinkBesideIt) {
  fs::create_symlink("../outside", root_ + "/results-old");
  fs::create_symlink("../outside/secret.txt", root_ + "/results.txt");
  EXPECT_THAT(space_.Resolve("results"), IsOk());
}

TEST_F(WorkspaceTest, OtherSchemesEmptyAndNulAreInvalid) {
  EXPECT_THAT(space_.Resolve(""), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(space_.Resolve("s3://bucket/key"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'s3://'")));
  EXPECT_THAT(space_.Resolve("file://host/path"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("names a host")));
  EXPECT_THAT(space_.Resolve(absl::string_view("a\0b", 3)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("NUL")));
}

TEST_F(WorkspaceTest, ThePathMapRewritesTheLongestWholePrefix) {
  const PathMap map = {{"/workspace", "."}, {"/workspace/tao/", "data"}};
  EXPECT_THAT(space_.Resolve("/workspace/tao/a.txt", map), IsOkAndHolds(root_ + "/data/a.txt"));
  EXPECT_THAT(space_.Resolve("/workspace/data", map), IsOkAndHolds(root_ + "/data"));
  EXPECT_THAT(space_.Resolve("/workspace", map), IsOkAndHolds(root_));
  EXPECT_THAT(space_.Resolve("/workspace-2/data", map),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(space_.Resolve("/workspace/../etc", map), StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(WorkspaceTest, ARootThatIsReachedByALinkIsTheSameRoot) {
  fs::create_directory_symlink(root_, folder_ / "alias");
  const auto space = Workspace::Create(folder_ / "alias");
  ASSERT_THAT(space, IsOk());
  EXPECT_EQ(space->root(), root_);
  EXPECT_THAT(space->Resolve(folder_ / "alias/data/a.txt"), IsOkAndHolds(root_ + "/data/a.txt"));
}

TEST_F(WorkspaceTest, TheRootSlashAllowsEverythingFromItsBase) {
  const auto space = Workspace::Create("/", root_);
  ASSERT_THAT(space, IsOk());
  EXPECT_THAT(space->Resolve("data/a.txt"), IsOkAndHolds(root_ + "/data/a.txt"));
  EXPECT_THAT(space->Resolve("../outside/secret.txt"), IsOkAndHolds(folder_ / "outside/secret.txt"));
  EXPECT_EQ(space->UriOf("/etc/passwd"), "/etc/passwd");
}

TEST_F(WorkspaceTest, RootsThatAreNoFoldersAreRefused) {
  EXPECT_THAT(Workspace::Create(folder_ / "nothing"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Workspace::Create(root_ + "/data/a.txt"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Workspace::Create(root_, folder_ / "outside"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not below the workspace")));
}

TEST_F(WorkspaceTest, ArtifactsHaveDigestSizeAndRelativeUri) {
  const auto artifact = space_.MakeArtifact("model", root_ + "/data/a.txt", "tlt");
  ASSERT_THAT(artifact, IsOk());
  EXPECT_EQ(artifact->uri(), "data/a.txt");
  EXPECT_EQ(artifact->size_bytes(), 3);
  // SHA-256 of "abc", FIPS 180-2.
  EXPECT_EQ(artifact->sha256(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_THAT(space_.MakeArtifact("model", root_ + "/nothing", "tlt"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(WorkspaceTest, DigestsOfInputsAreCheckedWhereTheyAreGiven) {
  v1::StageInput stage;
  v1::Artifact* input = stage.add_inputs();
  *input = *space_.MakeArtifact("model", root_ + "/data/a.txt", "tlt");
  EXPECT_THAT(space_.CheckDigests(stage), IsOk());
  std::stop_source stop;
  stop.request_stop();
  input->set_uri("data");  // a folder, of which no digest is cached
  EXPECT_THAT(space_.CheckDigests(stage, stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
  input->set_uri("data/a.txt");
  input->set_sha256("00");
  EXPECT_THAT(space_.CheckDigests(stage),
              StatusIs(absl::StatusCode::kDataLoss,
                       ::testing::AllOf(HasSubstr("stage.inputs[model]"), HasSubstr("expects 00"))));
  input->clear_sha256();
  EXPECT_THAT(space_.CheckDigests(stage), IsOk());
}

}  // namespace
}  // namespace trainyard::service
