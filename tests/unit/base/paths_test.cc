#include "libs/base/paths.h"

#include <unistd.h>

#include <filesystem>

#include "gtest/gtest.h"
#include "tests/support/temporary_folder.h"

namespace trainyard {
namespace {

using ::trainyard::testing::TemporaryFolder;

TEST(PathsTest, LinksDotsAndSlashesAreResolvedWhetherAFileIsThereOrNot) {
  const TemporaryFolder folder;
  const std::string root = std::filesystem::canonical(folder.path()).string();
  folder.Folder("real");
  std::filesystem::create_symlink(folder / "real", folder / "link");
  EXPECT_EQ(CanonicalPath(folder / "link/"), root + "/real");
  EXPECT_EQ(CanonicalPath(folder / "link/../real/./new.txt"), root + "/real/new.txt");
  EXPECT_EQ(CanonicalPath(""), "");
  EXPECT_EQ(CanonicalPath("/"), "/");
  EXPECT_TRUE(IsSamePath(folder / "link/new.txt", folder / "real/new.txt"));
  EXPECT_FALSE(IsSamePath(folder / "real/new.txt", folder / "real/other.txt"));
}

TEST(PathsTest, TwoNamesOfOneFileAreTheSame) {
  const TemporaryFolder folder;
  const std::string file = folder.Write("a.txt", "x");
  ASSERT_EQ(link(file.c_str(), (folder / "b.txt").c_str()), 0);
  EXPECT_TRUE(IsSamePath(file, folder / "b.txt"));
  EXPECT_FALSE(IsSamePath(file, folder.Write("c.txt", "x")));
}

TEST(PathsTest, AFolderHoldsItselfAndWhatLiesBelowItsLinks) {
  const TemporaryFolder folder;
  folder.Folder("real");
  std::filesystem::create_symlink(folder / "real", folder / "link");
  EXPECT_TRUE(IsInFolder(folder / "real", folder / "link/"));
  EXPECT_TRUE(IsInFolder(folder / "link/a/new.txt", folder / "real"));
  EXPECT_TRUE(IsInFolder(folder / "real", "/"));
  EXPECT_TRUE(IsInFolder(folder / "real/..x", folder / "real"));
  EXPECT_FALSE(IsInFolder(folder / "really", folder / "real"));
  EXPECT_FALSE(IsInFolder(folder / "real/../other", folder / "real"));
  EXPECT_FALSE(IsInFolder(folder.path(), folder / "real"));
  EXPECT_FALSE(IsInFolder("", "/"));
}

}  // namespace
}  // namespace trainyard
