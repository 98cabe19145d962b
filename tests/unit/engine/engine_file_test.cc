#include "libs/engine/engine_file.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/sealing/model_file.h"
#include "tests/support/status_matchers.h"

namespace trainyard::engine {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::IsOk;
using ::testing::Not;
using testing::StatusIs;

EngineFile SmallFile() {
  EngineFile file;
  file.header.set_backend("fake");
  file.header.set_backend_version("1.2");
  file.header.set_precision_requested("int8");
  file.header.set_precision_used("int8");
  file.header.set_max_batch_size(4);
  file.header.mutable_hardware()->set_vendor("GenuineIntel");
  file.header.mutable_hardware()->set_name("Some Processor");
  file.header.mutable_hardware()->add_features("amx_int8");
  file.header.mutable_source()->set_file_name("ssd.etlt");
  file.record.set_network("ssd");
  file.blob = std::string("compiled\0network", 16);
  return file;
}

class EngineFileTest : public ::testing::Test {
 protected:
  const std::string path_ = ::testing::TempDir() + "/engine_file_test.engine";
  void TearDown() override { ASSERT_THAT(RemoveTree(path_), IsOk()); }
};

TEST_F(EngineFileTest, ComesBackAsItWas) {
  ASSERT_THAT(SaveEngineFile(SmallFile(), path_), IsOk());
  const auto loaded = LoadEngineFile(path_);
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->blob, SmallFile().blob);
  EXPECT_EQ(loaded->record.network(), "ssd");
  EXPECT_EQ(loaded->header.format_version(), 1);
  EXPECT_EQ(loaded->header.max_batch_size(), 4);
}

TEST_F(EngineFileTest, EqualEnginesHaveEqualBytes) {
  ASSERT_THAT(SaveEngineFile(SmallFile(), path_), IsOk());
  const auto once = ReadFile(path_);
  ASSERT_THAT(SaveEngineFile(SmallFile(), path_), IsOk());
  EXPECT_EQ(*once, *ReadFile(path_));
}

TEST_F(EngineFileTest, DamageIsSeenWhereverItIs) {
  ASSERT_THAT(SaveEngineFile(SmallFile(), path_), IsOk());
  const std::string bytes = *ReadFile(path_);
  for (size_t at = 0; at < bytes.size(); at += 7) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
    ASSERT_THAT(WriteFileAtomically(path_, damaged), IsOk());
    EXPECT_THAT(LoadEngineFile(path_), Not(IsOk())) << "byte " << at;
    ASSERT_THAT(WriteFileAtomically(path_, bytes.substr(0, at)), IsOk());
    EXPECT_THAT(LoadEngineFile(path_), Not(IsOk())) << "cut at " << at;
  }
}

TEST_F(EngineFileTest, OtherFilesAreNamed) {
  EXPECT_THAT(LoadEngineFile(path_), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_THAT(sealing::SaveSealed(path_, sealing::SealedKind::kExport, {{"record", ""}}, ""),
              IsOk());
  EXPECT_THAT(LoadEngineFile(path_), StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_THAT(sealing::SaveSealed(path_, sealing::SealedKind::kEngine, {{"record", ""}}, ""),
              IsOk());
  EXPECT_THAT(
      LoadEngineFile(path_),
      StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr(path_), HasSubstr("'engine.header'"))));
}

TEST_F(EngineFileTest, ANewerFormatIsRefusedByNumber) {
  EngineHeader header;
  header.set_format_version(2);
  ASSERT_THAT(sealing::SaveSealed(path_, sealing::SealedKind::kEngine,
                                  {{"engine.header", header.SerializeAsString()}}, ""),
              IsOk());
  EXPECT_THAT(LoadEngineFile(path_),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("format 2")));
}

TEST(CheckRunsHereTest, SaysWhatDiffersAndHowToRebuild) {
  const EngineHeader header = SmallFile().header;
  HardwareFingerprint here = header.hardware();
  EXPECT_THAT(CheckRunsHere(header, here, {.name = "fake", .version = "1.2"}, "a.engine"), IsOk());
  here.set_vendor("AuthenticAMD");
  here.clear_features();
  EXPECT_THAT(
      CheckRunsHere(header, here, {.name = "fake", .version = "1.3"}, "out/a.engine"),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               AllOf(HasSubstr("Some Processor"), HasSubstr("AuthenticAMD instead of GenuineIntel"),
                     HasSubstr("without amx_int8"), HasSubstr("fake 1.3 instead of 1.2"),
                     HasSubstr("trainyard converter -k KEY -t int8 -m 4 -c CALIBRATION_TABLE -e "
                               "out/a.engine ssd.etlt"))));
}

}  // namespace
}  // namespace trainyard::engine
