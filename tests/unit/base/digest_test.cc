#include "libs/base/digest.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::IsOkAndHolds;
using testing::StatusIs;
using testing::TemporaryFolder;

// FIPS 180-4's examples.
TEST(Sha256Test, HasTheDigestsOfTheStandard) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 hash;
  for (int i = 0; i < 1000; ++i) hash.Update(std::string(1000, 'a'));
  EXPECT_EQ(hash.HexDigest(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// RFC 3720, appendix B.4, and the value that TFRecord readers check.
TEST(Crc32cTest, HasTheValuesOfTheStandard) {
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(MaskedCrc32c("123456789"), 0xc78ab0e5u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  std::string rising;
  for (int i = 0; i < 32; ++i) rising += static_cast<char>(i);
  EXPECT_EQ(Crc32c(rising), 0x46dd794eu);
  EXPECT_EQ(Crc32c(std::string(rising.rbegin(), rising.rend())), 0x113fdb5cu);
  EXPECT_EQ(Crc32c(""), 0u);
}

TEST(Crc32cTest, TheFastPathAgreesWithBitByBitAtEveryLength) {
  std::string text;
  for (int n = 0; n < 70; ++n, text += static_cast<char>(n * 37)) {
    uint32_t slow = 0xFFFFFFFFu;
    for (const char c : text) {
      slow ^= static_cast<unsigned char>(c);
      for (int bit = 0; bit < 8; ++bit) slow = (slow >> 1) ^ ((slow & 1) ? 0x82F63B78u : 0);
    }
    EXPECT_EQ(Crc32c(text), ~slow) << n;
  }
}

TEST(FileDigestTest, AChangeInPlaceThatSetsTheTimeBackIsSeen) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("a", "abc");
  const auto written = std::filesystem::last_write_time(path);
  // Long enough ago that its times may be trusted.
  while (std::filesystem::file_time_type::clock::now() - written < std::chrono::milliseconds(50)) {
  }
  EXPECT_THAT(FileDigest(path), IsOkAndHolds(Sha256Hex("abc")));
  std::ofstream(path) << "xyz";
  std::filesystem::last_write_time(path, written);
  EXPECT_THAT(FileDigest(path), IsOkAndHolds(Sha256Hex("xyz")));
}

TEST(FileDigestTest, ChangesAtOnceAreSeen) {
  const TemporaryFolder folder;
  for (int i = 0; i < 200; ++i) {
    const std::string text = std::to_string(1000 + i);
    std::ofstream(folder / "a") << text;
    EXPECT_THAT(FileDigest(folder / "a"), IsOkAndHolds(Sha256Hex(text))) << i;
  }
}

TEST(FileDigestTest, ChangesWithTheContentAndNamesAMissingFile) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("a", "abc");
  EXPECT_THAT(FileDigest(path), IsOkAndHolds(Sha256Hex("abc")));
  folder.Write("a", "other");
  EXPECT_THAT(FileDigest(path), IsOkAndHolds(Sha256Hex("other")));
  EXPECT_THAT(FileDigest(folder / "none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(folder / "none")));
}

// Worked out with Python's hashlib over "/a.txt\n3\n<sha>\n/sub/b.txt\n3\n<sha>\n".
TEST(PathDigestTest, AFolderIsTheHashOfItsSortedRows) {
  const TemporaryFolder folder;
  folder.Write("sub/b.txt", "two");
  folder.Write("a.txt", "one");
  EXPECT_THAT(PathDigest(folder.path()),
              IsOkAndHolds("ee198055b10fdd4718385233962cd2adba88faae8af6a432005203f7b5505e38"));
}

TEST(PathDigestTest, WorkInProgressDoesNotCount) {
  const TemporaryFolder folder;
  folder.Write("a.txt", "one");
  const auto before = PathDigest(folder.path());
  folder.Write(".tmp-1-0-a.txt", "half");
  folder.Write(".tmp-run/b.txt", "half");
  ASSERT_THAT(before, IsOk());
  EXPECT_THAT(PathDigest(folder.path()), IsOkAndHolds(*before));
}

TEST(PathDigestTest, TheNameOfASetMeansItsShardsAndWhatTellsAboutThem) {
  const TemporaryFolder folder;
  folder.Write("train-fold-000-of-002", "one");
  folder.Write("train_manifest.json", "{}");
  const auto before = PathDigest(folder / "train");
  folder.Write("train_small-fold-000-of-002", "other");
  folder.Write("train-2-fold-000-of-002", "other");
  EXPECT_EQ(PathDigest(folder / "train").value(), before.value());
  EXPECT_THAT(PathSize(folder / "train"), IsOkAndHolds(5));
  folder.Write("train-fold-001-of-002", "two");
  EXPECT_NE(PathDigest(folder / "train").value(), before.value());
}

TEST(PathDigestTest, APrefixThatIsNoSetsNameMeansWhatBeginsWithIt) {
  const TemporaryFolder folder;
  folder.Write("train-fold-000-of-002", "one");
  folder.Write("train_small-fold-000-of-002", "other");
  EXPECT_THAT(PathSize(folder / "tra"), IsOkAndHolds(8));
  EXPECT_THAT(PathSize(folder / "train-fold-000"), IsOkAndHolds(3));
}

TEST(PathDigestTest, NamesAndContentsCount) {
  const TemporaryFolder one, other;
  one.Write("a", "x");
  other.Write("b", "x");
  EXPECT_NE(PathDigest(one.path()).value(), PathDigest(other.path()).value());
}

TEST(PathDigestTest, StopsWhenAsked) {
  const TemporaryFolder folder;
  folder.Write("data/a", "1");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(PathDigest(folder / "data", stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace trainyard
