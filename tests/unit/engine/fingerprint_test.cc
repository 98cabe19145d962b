#include "libs/engine/fingerprint.h"

#include <fstream>
#include <set>
#include <string>

#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trainyard::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// A line of /proc/cpuinfo: the kernel reads the processor without us.
std::string CpuInfo(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 1));
    if (absl::StripAsciiWhitespace(parts.first) == key) {
      return std::string(absl::StripAsciiWhitespace(parts.second));
    }
  }
  return "";
}

HardwareFingerprint Machine() {
  HardwareFingerprint machine;
  machine.set_device("cpu");
  machine.set_architecture("x86_64");
  machine.set_vendor("GenuineIntel");
  machine.set_family(6);
  machine.set_model(143);
  machine.add_features("amx_int8");
  machine.add_features("avx2");
  machine.set_name("a name");
  return machine;
}

TEST(ThisMachineTest, AgreesWithTheKernel) {
  const HardwareFingerprint machine = ThisMachine();
  EXPECT_EQ(machine.vendor(), CpuInfo("vendor_id"));
  EXPECT_EQ(std::to_string(machine.family()), CpuInfo("cpu family"));
  EXPECT_EQ(std::to_string(machine.model()), CpuInfo("model"));
  EXPECT_EQ(machine.name(), CpuInfo("model name"));
  const std::set<std::string> flags = absl::StrSplit(CpuInfo("flags"), ' ');
  for (const std::string name : {"avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni",
                                 "amx_int8", "avx512_fp16", "fma", "f16c", "sse4_2"}) {
    const auto& features = machine.features();
    EXPECT_EQ(std::count(features.begin(), features.end(), name), flags.count(name)) << name;
  }
}

TEST(DifferencesTest, EqualMachinesHaveNoneWhateverTheirName) {
  HardwareFingerprint other = Machine();
  other.set_name("another name");
  EXPECT_THAT(Differences(Machine(), other), IsEmpty());
  EXPECT_EQ(FingerprintDigest(Machine(), "1"), FingerprintDigest(other, "1"));
}

TEST(DifferencesTest, NamesEachOne) {
  HardwareFingerprint here = Machine();
  here.set_vendor("AuthenticAMD");
  here.set_family(25);
  here.clear_features();
  here.add_features("avx2");
  here.add_features("avx512_vnni");
  EXPECT_THAT(
      Differences(Machine(), here),
      ElementsAre("processor vendor AuthenticAMD instead of GenuineIntel",
                  "processor family 25 instead of 6", "without amx_int8", "with avx512_vnni"));
  EXPECT_NE(FingerprintDigest(Machine(), "1"), FingerprintDigest(here, "1"));
  EXPECT_NE(FingerprintDigest(Machine(), "1"), FingerprintDigest(Machine(), "2"));
}

TEST(DescribeTest, IsOneLine) {
  EXPECT_EQ(Describe(Machine()), "a name (GenuineIntel 6/143; amx_int8 avx2)");
}

}  // namespace
}  // namespace trainyard::engine
