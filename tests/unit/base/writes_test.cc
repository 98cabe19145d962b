// Folders that are swapped for links after a path was checked.
#include "libs/base/writes.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/base/records.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::trainyard::testing::ContentOf;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

class GuardedWritesTest : public ::testing::Test {
 protected:
  GuardedWritesTest() : root_(folder_.Folder("root")), outside_(folder_.Folder("outside")) {
    GuardWrites(root_);
    fs::create_directory_symlink(outside_, root_ + "/link");
    fs::create_directory(root_ + "/own");
    fs::create_directory_symlink("own", root_ + "/within");
  }
  static auto Refused() {
    return StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("symbolic link"));
  }
  void ExpectNothingOutside() const {
    EXPECT_THAT(std::vector<fs::path>(fs::directory_iterator(outside_), {}), IsEmpty());
  }

  TemporaryFolder folder_;
  const std::string root_, outside_;
};

TEST_F(GuardedWritesTest, NothingIsMadeBehindALink) {
  EXPECT_THAT(WriteFileAtomically(root_ + "/link/file", "x"), Refused());
  EXPECT_THAT(MakeFolders(root_ + "/link/a/b"), Refused());
  EXPECT_THAT(RecordWriter::Open(root_ + "/link/records", false).status(), Refused());
  EXPECT_THAT(OpenToWrite(root_ + "/link/file", O_WRONLY | O_CREAT).status(), Refused());
  EXPECT_THAT(AppendToFile(root_ + "/link/file", "x"), Refused());
  const PendingFile pending(root_ + "/link/file");
  EXPECT_THAT(pending.status(), Refused());
  EXPECT_THAT(pending.path(), IsEmpty());
  ExpectNothingOutside();
}

TEST_F(GuardedWritesTest, NothingIsRemovedOrMovedBehindALink) {
  std::ofstream(outside_ + "/kept") << "kept";
  std::ofstream(root_ + "/mine") << "mine";
  EXPECT_THAT(RemoveTree(root_ + "/link/kept"), Refused());
  EXPECT_THAT(RenameSynced(root_ + "/mine", root_ + "/link/kept"), Refused());
  EXPECT_THAT(RenameSynced(root_ + "/link/kept", root_ + "/taken"), Refused());
  EXPECT_THAT(LinkFile(root_ + "/link/kept", root_ + "/taken"), Refused());
  EXPECT_EQ(ContentOf(outside_ + "/kept"), "kept");
  // The link itself is below the root, and goes.
  EXPECT_THAT(RemoveTree(root_ + "/link"), IsOk());
  EXPECT_EQ(ContentOf(outside_ + "/kept"), "kept");
}

TEST_F(GuardedWritesTest, AFileThatIsALinkIsNotFollowed) {
  std::ofstream(outside_ + "/kept") << "kept";
  fs::create_symlink(outside_ + "/kept", root_ + "/status.json");
  EXPECT_THAT(AppendToFile(root_ + "/status.json", "x"), Refused());
  EXPECT_THAT(RecordWriter::Open(root_ + "/status.json", true).status(), Refused());
  // A rename puts a file in the link's place.
  EXPECT_THAT(WriteFileAtomically(root_ + "/status.json", "new"), IsOk());
  EXPECT_EQ(ContentOf(root_ + "/status.json"), "new");
  EXPECT_EQ(ContentOf(outside_ + "/kept"), "kept");
}

TEST_F(GuardedWritesTest, AFolderSwappedWhileAFileIsPendingIsNotFollowed) {
  fs::create_directory(root_ + "/weights");
  PendingFile pending(root_ + "/weights/model.tlt");
  ASSERT_THAT(pending.status(), IsOk());
  fs::rename(root_ + "/weights", root_ + "/moved");
  fs::create_directory_symlink(outside_, root_ + "/weights");
  std::ofstream(pending.path(), std::ios::trunc) << "secret";
  EXPECT_THAT(pending.Commit(), Refused());
  ExpectNothingOutside();
}

TEST_F(GuardedWritesTest, LinksThatStayBelowAreFollowed) {
  EXPECT_THAT(WriteFileAtomically(root_ + "/within/file", "x"), IsOk());
  EXPECT_EQ(ContentOf(root_ + "/own/file"), "x");
  EXPECT_THAT(MakeFolders(root_ + "/within/a/b/"), IsOk());
  EXPECT_TRUE(fs::is_directory(root_ + "/own/a/b"));
  EXPECT_THAT(MakeFolders(root_ + "/within"), IsOk());
  EXPECT_THAT(RemoveTree(root_ + "/within/a"), IsOk());
  EXPECT_FALSE(fs::exists(root_ + "/own/a"));
  EXPECT_THAT(LinkFile(root_ + "/within/file", root_ + "/own/second"), IsOk());
  EXPECT_THAT(RenameSynced(root_ + "/own/second", root_ + "/within/third"), IsOk());
  EXPECT_EQ(ContentOf(root_ + "/own/third"), "x");
  EXPECT_THAT(fs::is_empty(root_ + "/own"), false);
}

TEST_F(GuardedWritesTest, WhatIsNotBelowARootIsAsEver) {
  fs::create_directory_symlink(outside_, folder_ / "other");
  EXPECT_THAT(WriteFileAtomically(folder_ / "other/file", "x"), IsOk());
  EXPECT_EQ(ContentOf(outside_ + "/file"), "x");
  EXPECT_THAT(MakeFolders(root_ + "/../plain/a"), IsOk());
  EXPECT_TRUE(fs::is_directory(folder_ / "plain/a"));
}

TEST_F(GuardedWritesTest, WhatIsMissingOrInTheWayIsSaid) {
  EXPECT_THAT(WriteFileAtomically(root_ + "/none/file", "x"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(RemoveTree(root_ + "/none/file"), IsOk());
  std::ofstream(root_ + "/file") << "x";
  EXPECT_THAT(MakeFolders(root_ + "/file"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(MakeFolders(root_ + "/file/a"), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace trainyard
