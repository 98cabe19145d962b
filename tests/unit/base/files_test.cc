#include "libs/base/files.h"

#include <sys/stat.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/digest.h"
#include "libs/base/records.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard {
namespace {

using ::testing::AllOf;
using testing::ContentOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::IsOkAndHolds;
using ::testing::StartsWith;
using testing::StatusIs;
using testing::TemporaryFolder;

TEST(ReadFileTest, ReadsAllBytes) {
  const TemporaryFolder folder;
  const std::string content("a\0b\xff\n", 5);
  EXPECT_THAT(ReadFile(folder.Write("f", content)), IsOkAndHolds(content));
  EXPECT_THAT(ReadFile(folder.Write("empty", "")), IsOkAndHolds(""));
}

TEST(ReadFileTest, NamesThePathInEveryFailure) {
  const TemporaryFolder folder;
  EXPECT_THAT(ReadFile(folder / "none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(folder / "none")));
  EXPECT_THAT(ReadFile(folder.path()), StatusIs(absl::StatusCode::kInvalidArgument,
                                                HasSubstr("is a folder; expected a file")));
  EXPECT_THAT(ReadFile(folder.Write("big", "12345"), /*max_bytes=*/4),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("has 5 bytes"), HasSubstr("at most 4"))));
}

TEST(ReadFileTest, NeverWaitsForAnotherProgram) {
  const TemporaryFolder folder;
  const std::string fifo = folder / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THAT(ReadFile(fifo), StatusIs(absl::StatusCode::kInvalidArgument,
                                       AllOf(HasSubstr(fifo), HasSubstr("is a FIFO; expected a"))));
  EXPECT_THAT(FileDigest(fifo), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("FIFO")));
  EXPECT_THAT(RecordReader::Open(fifo).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("FIFO")));
  EXPECT_THAT(ReadFile("/dev/zero"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is a device")));
}

TEST(ReadFileTest, ReadsFilesThatDoNotSayTheirSize) {
  EXPECT_THAT(ReadFile("/proc/self/status"), IsOkAndHolds(HasSubstr("Name:")));
  EXPECT_THAT(ReadFile("/proc/self/status", /*max_bytes=*/10),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("more than 10 bytes")));
}

TEST(MakePrivateFileTest, TakesAFileFromEverybodyElse) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("f", "kept");
  chmod(path.c_str(), 0644);
  for (const std::string& each : {path, folder / "new"}) {
    EXPECT_THAT(MakePrivateFile(each), IsOk());
    struct stat info;
    ASSERT_EQ(stat(each.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
  }
  EXPECT_EQ(ContentOf(path), "kept");
}

TEST(WriteFileAtomicallyTest, ReplacesAndLeavesNothingElseBehind) {
  const TemporaryFolder folder;
  const std::string path = folder / "f";
  EXPECT_THAT(WriteFileAtomically(path, "one"), IsOk());
  EXPECT_THAT(WriteFileAtomically(path, "two"), IsOk());
  EXPECT_EQ(ContentOf(path), "two");
  EXPECT_THAT(ListFolder(folder.path()), IsOkAndHolds(ElementsAre("f")));
}

TEST(WriteFileAtomicallyTest, AFailureLeavesTheOldFile) {
  const TemporaryFolder folder;
  EXPECT_THAT(WriteFileAtomically(folder / "none/f", "x"), StatusIs(absl::StatusCode::kNotFound));
  folder.Write("target/inside", "x");
  EXPECT_FALSE(WriteFileAtomically(folder / "target", "x").ok());
  EXPECT_THAT(ListFolder(folder.path()), IsOkAndHolds(ElementsAre("target")));
}

TEST(PendingFileTest, IsRemovedUnlessItIsCommitted) {
  const TemporaryFolder folder;
  {
    const PendingFile pending(folder / "f");
    EXPECT_THAT(BaseName(pending.path()), StartsWith(".tmp-"));
    EXPECT_EQ(DirName(pending.path()), folder.path());
    EXPECT_THAT(WriteFileAtomically(pending.path(), "half"), IsOk());
  }
  EXPECT_THAT(ListFolder(folder.path()), IsOkAndHolds(IsEmpty()));
  PendingFile pending(folder / "f");
  EXPECT_THAT(WriteFileAtomically(pending.path(), "whole"), IsOk());
  EXPECT_THAT(pending.Commit(), IsOk());
  EXPECT_THAT(ReadFile(folder / "f"), IsOkAndHolds("whole"));
}

TEST(WriteFileAtomicallyTest, WritesNamesAsLongAsTheSystemTakes) {
  const TemporaryFolder folder;
  const std::string name(NAME_MAX, 'x');
  EXPECT_THAT(WriteFileAtomically(folder / name, "1"), IsOk());
  EXPECT_THAT(WriteFileAtomically(folder / "stra\xDF" "e", "2"), IsOk());
  EXPECT_THAT(ListFolder(folder.path()), IsOkAndHolds(ElementsAre("stra\xDF" "e", name)));
}

TEST(FoldersTest, AreMadeListedAndRemoved) {
  const TemporaryFolder folder;
  EXPECT_THAT(MakeFolders(folder / "a/b/c"), IsOk());
  EXPECT_THAT(MakeFolders(folder / "a/b/c"), IsOk());
  EXPECT_TRUE(FolderExists(folder / "a/b"));
  EXPECT_FALSE(FileExists(folder / "a/b"));
  folder.Write("a/z", "123");
  folder.Write("a/Z", "");
  EXPECT_THAT(ListFolder(folder / "a"), IsOkAndHolds(ElementsAre("Z", "b", "z")));
  EXPECT_THAT(FileSize(folder / "a/z"), IsOkAndHolds(3));
  EXPECT_THAT(RemoveTree(folder / "a"), IsOk());
  EXPECT_THAT(RemoveTree(folder / "a"), IsOk());
  EXPECT_THAT(ListFolder(folder / "a"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_FALSE(MakeFolders(folder.Write("file", "") + "/below").ok());
}

TEST(RenameSyncedTest, MovesAndNamesTheTargetOnFailure) {
  const TemporaryFolder folder;
  EXPECT_THAT(RenameSynced(folder.Write("a", "x"), folder / "b"), IsOk());
  EXPECT_EQ(ContentOf(folder / "b"), "x");
  EXPECT_THAT(RenameSynced(folder / "a", folder / "c"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(folder / "c")));
}

TEST(GlobTest, IsSortedAndEmptyWhenNothingMatches) {
  const TemporaryFolder folder;
  for (const char* name : {"s-10", "s-2", "t-1"}) folder.Write(name, "");
  EXPECT_THAT(Glob(folder / "s-*"), ElementsAre(folder / "s-10", folder / "s-2"));
  EXPECT_THAT(Glob(folder / "x*"), IsEmpty());
}

TEST(PathsTest, AreJoinedAndTakenApart) {
  EXPECT_EQ(JoinPath("a/b", "c"), "a/b/c");
  EXPECT_EQ(JoinPath("a/", "c"), "a/c");
  EXPECT_EQ(JoinPath("a", "/c"), "/c");
  EXPECT_EQ(JoinPath("", "c"), "c");
  EXPECT_EQ(JoinPath("a", ""), "a");
  EXPECT_EQ(BaseName("/a/b.txt"), "b.txt");
  EXPECT_EQ(DirName("/a/b.txt"), "/a");
  EXPECT_EQ(DirName("/b"), "/");
  EXPECT_EQ(DirName("b"), ".");
  EXPECT_EQ(Stem("/a/b.tar.gz"), "b.tar");
  EXPECT_EQ(Extension("/a.b/c"), "");
  EXPECT_EQ(Extension("a.b/c.PNG"), ".PNG");
  EXPECT_EQ(Extension(".hidden"), "");
}

}  // namespace
}  // namespace trainyard
