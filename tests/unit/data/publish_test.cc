#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/base/records.h"
#include "libs/data/convert.h"
#include "libs/data/offline_augment.h"
#include "libs/data/tfrecord/example.h"
#include "tests/support/data_pictures.h"
#include "tests/support/temporary_folder.h"

namespace {
// Renames that are left until one fails; 0 = none does.
int renames_left = 0;
}  // namespace

// In place of the C library's: whoever publishes a set renames its files, and a disk that breaks, or a
// kill, may come between any two of them.
extern "C" int renameat(int from_folder, const char* from, int to_folder, const char* to) noexcept {
  if (renames_left > 0 && --renames_left == 0) {
    errno = EIO;
    return -1;
  }
  return static_cast<int>(syscall(SYS_renameat2, from_folder, from, to_folder, to, 0));
}

namespace trainyard::data {
namespace {

using testing::ContentOf;
using testing::KittiLine;
using testing::PlainPicture;
using testing::TemporaryFolder;
using testing::WriteKittiFrame;

// Does `publish` again and again, each time with the next rename failing, until none does.
template <typename Publish, typename Check>
void FailAtEachRename(const Publish& publish, const Check& check) {
  for (int failing = 1; failing < 100; ++failing) {
    renames_left = failing;
    const bool done = publish();
    renames_left = 0;
    check(failing);
    if (done) return;
  }
  FAIL() << "it never ended";
}

// Frames of one colour below `root`; their names begin with `prefix`.
void WriteFrames(const std::string& root, const std::string& prefix, int n) {
  for (int i = 0; i < n; ++i) {
    WriteKittiFrame(root, prefix + std::to_string(i), PlainPicture(40, 20, {9, 2, 3}),
                    KittiLine("nut", {4, 5, 20, 15}));
  }
}

// What the names of the frames in all shards of `folder` begin with.
std::set<char> BeginningsOfIds(const std::string& folder) {
  std::set<char> beginnings;
  const auto names = ListFolder(folder);
  for (const std::string& name : names.ok() ? *names : std::vector<std::string>()) {
    if (!absl::StartsWith(name, "set-fold")) continue;
    auto reader = RecordReader::Open(JoinPath(folder, name));
    for (auto record = reader->Next(); record.ok(); record = reader->Next()) {
      beginnings.insert(BaseName(DecodeExample(*record)->id)[0]);
    }
  }
  return beginnings;
}

TEST(PublishTest, AConversionThatBreaksOffLeavesNoMixtureOfTwoSets) {
  const TemporaryFolder folder;
  spec::dataset::v1::DatasetExportConfig config;
  config.mutable_kitti_config()->set_image_dir_name("images");
  config.mutable_kitti_config()->set_label_dir_name("labels");
  config.mutable_kitti_config()->set_partition_mode("random");
  config.mutable_kitti_config()->set_num_shards(2);
  config.mutable_kitti_config()->set_val_split(50);
  const auto convert = [&](const std::string& set) {
    return ConvertKitti(config, {.root = folder / set, .output_prefix = folder / "out/set"}).ok();
  };
  WriteFrames(folder / "old", "o", 4);
  WriteFrames(folder / "new", "n", 4);
  ASSERT_TRUE(convert("old"));
  FailAtEachRename([&] { return convert("new"); },
                   [&](int failing) {
                     EXPECT_LE(BeginningsOfIds(folder / "out").size(), 1u)
                         << "broken off at rename " << failing;
                     ASSERT_TRUE(convert("old"));
                   });
}

TEST(PublishTest, AnAugmentationThatBreaksOffLeavesNoPicturesBesideOtherLabels) {
  const TemporaryFolder folder;
  WriteFrames(folder.path(), "", 2);
  spec::augment::v1::AugmentConfig plain;
  plain.mutable_dataset_config()->set_image_path("images");
  plain.mutable_dataset_config()->set_label_path("labels");
  plain.set_output_image_width(40);
  plain.set_output_image_height(20);
  spec::augment::v1::AugmentConfig smaller = plain;
  smaller.set_output_image_width(20);
  const OfflineAugmentOptions options{.root = folder.path(), .output = folder / "out/set"};
  ASSERT_TRUE(AugmentDataSet(plain, options).ok());
  const std::string image = folder / "out/set/images/0.png", label = folder / "out/set/labels/0.txt";
  const std::string old_label = ContentOf(label);
  FailAtEachRename([&] { return AugmentDataSet(smaller, options).ok(); },
                   [&](int failing) {
                     if (FileExists(image) && FileExists(label)) {
                       const bool is_old = ReadImageSize(ContentOf(image), "")->width == 40;
                       EXPECT_EQ(ContentOf(label) == old_label, is_old)
                           << "broken off at rename " << failing;
                     }
                     ASSERT_TRUE(AugmentDataSet(plain, options).ok());
                   });
}

}  // namespace
}  // namespace trainyard::data
