#include "libs/base/records.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard {
namespace {

using ::testing::AllOf;
using testing::ContentOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::IsOkAndHolds;
using testing::StatusIs;
using testing::TemporaryFolder;

// Two records that TensorBoard's own writer makes: the file version at
// wall time 1.0, and the scalar loss = 0.5 of step 1.
constexpr char kVersion[] =
    "1800000000000000a37f4b2209000000000000f03f1a0d627261696e2e4576656e743a3286bf577a";
constexpr char kScalar[] =
    "1a00000000000000129bd82d09000000000000f03f10012a0d0a0b0a046c6f7373150000003f27f95db1";

std::string Bytes(absl::string_view hex) { return absl::HexStringToBytes(hex); }
std::string PayloadOf(absl::string_view hex) {
  const std::string record = Bytes(hex);
  return record.substr(12, record.size() - 16);
}

std::string WriteAll(const TemporaryFolder& folder, const std::vector<std::string>& payloads) {
  const std::string path = folder / "records";
  auto writer = RecordWriter::Open(path, /*append=*/false);
  EXPECT_THAT(writer, IsOk());
  for (const std::string& payload : payloads) EXPECT_THAT(writer->Write(payload), IsOk());
  return path;
}

std::vector<std::string> ReadAll(RecordReader& reader) {
  std::vector<std::string> payloads;
  for (auto next = reader.Next(); next.ok(); next = reader.Next()) payloads.push_back(*next);
  return payloads;
}

TEST(FrameRecordTest, MakesTheGoldenRecords) {
  EXPECT_EQ(absl::BytesToHexString(FrameRecord(PayloadOf(kVersion))), kVersion);
  EXPECT_EQ(absl::BytesToHexString(FrameRecord(PayloadOf(kScalar))), kScalar);
}

TEST(RecordsTest, WritesTheGoldenRecordsAndReadsThemBack) {
  const TemporaryFolder folder;
  const std::string path = WriteAll(folder, {PayloadOf(kVersion), PayloadOf(kScalar), ""});
  EXPECT_EQ(ContentOf(path).substr(0, 82), Bytes(std::string(kVersion) + kScalar));
  auto reader = RecordReader::Open(path);
  ASSERT_THAT(reader, IsOk());
  EXPECT_THAT(ReadAll(*reader), ElementsAre(PayloadOf(kVersion), PayloadOf(kScalar), ""));
  EXPECT_FALSE(reader->cut_tail());
}

TEST(RecordsTest, AppendsAndReadsFromAnOffset) {
  const TemporaryFolder folder;
  const std::string path = WriteAll(folder, {"one"});
  auto writer = RecordWriter::Open(path, /*append=*/true);
  ASSERT_THAT(writer, IsOk());
  const int64_t offset = writer->offset();
  EXPECT_EQ(offset, 12 + 3 + 4);
  EXPECT_THAT(writer->Write("two"), IsOk());
  auto reader = RecordReader::Open(path, offset);
  ASSERT_THAT(reader, IsOk());
  EXPECT_THAT(reader->Next(), IsOkAndHolds("two"));
  EXPECT_EQ(reader->offset(), writer->offset());
}

// A tail cut at any byte is an end, not damage, and reading goes on once the rest is there.
TEST(RecordsTest, ACutTailIsReadWhenItsRestArrives) {
  const TemporaryFolder folder;
  const std::string whole = FrameRecord("first") + FrameRecord("second");
  const size_t first = FrameRecord("first").size();
  for (size_t cut = first; cut < whole.size(); ++cut) {
    const std::string path = folder.Write("records", whole.substr(0, cut));
    auto reader = RecordReader::Open(path);
    ASSERT_THAT(reader, IsOk());
    EXPECT_THAT(reader->Next(), IsOkAndHolds("first"));
    EXPECT_THAT(reader->Next(), StatusIs(absl::StatusCode::kOutOfRange)) << cut;
    EXPECT_EQ(reader->cut_tail(), cut > first);
    const int fd = open(path.c_str(), O_WRONLY | O_APPEND);
    ASSERT_EQ(write(fd, whole.data() + cut, whole.size() - cut),
              static_cast<ssize_t>(whole.size() - cut));
    close(fd);
    EXPECT_THAT(reader->Next(), IsOkAndHolds("second")) << cut;
  }
}

TEST(RecordsTest, EveryFlippedByteIsFound) {
  const TemporaryFolder folder;
  const std::string good = FrameRecord("payload");
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] ^= 0x40;
    const std::string path = folder.Write("records", bad);
    auto reader = RecordReader::Open(path);
    ASSERT_THAT(reader, IsOk());
    EXPECT_THAT(reader->Next(),
                StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr(path), HasSubstr("byte 0"))))
        << i;
  }
}

TEST(RecordsTest, AHugeLengthIsRefusedBeforeAnythingIsAllocated) {
  const TemporaryFolder folder;
  // Length 2^62 with its right CRC, which is that of another record's header.
  std::string header("\0\0\0\0\0\0\0\x40", 8);
  std::string framed = FrameRecord(header);
  // The payload's masked CRC follows it: what a length field's CRC would be.
  const std::string path =
      folder.Write("records", header + framed.substr(framed.size() - 4) + std::string(64, 'x'));
  auto reader = RecordReader::Open(path);
  ASSERT_THAT(reader, IsOk());
  EXPECT_THAT(reader->Next(), StatusIs(absl::StatusCode::kDataLoss,
                                       HasSubstr("it claims 4611686018427387904 bytes")));
}

TEST(RecordsTest, NamesAFileThatIsNotThere) {
  EXPECT_THAT(RecordReader::Open("/nowhere/records"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nowhere/records")));
  EXPECT_THAT(RecordWriter::Open("/nowhere/records", false),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("/nowhere/records")));
}

}  // namespace
}  // namespace trainyard
