#include "libs/engine/fingerprint.h"

#include <cpuid.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/digest.h"

namespace trainyard::engine {
namespace {

struct Registers {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

/// All zero for a leaf that the processor does not have.
Registers Cpuid(uint32_t leaf, uint32_t part = 0) {
  Registers r;
  if (__get_cpuid_count(leaf, part, &r.eax, &r.ebx, &r.ecx, &r.edx) == 0) return {};
  return r;
}

/// Which register sets the system saves (XCR0); 0 when it does not say.
uint64_t SavedRegisters() {
  constexpr uint32_t kOsXsave = 1u << 27;
  if ((Cpuid(1).ecx & kOsXsave) == 0) return 0;
  uint32_t low = 0, high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
}

std::string Vendor() {
  const Registers r = Cpuid(0);
  char text[13] = {};
  std::memcpy(text, &r.ebx, 4);
  std::memcpy(text + 4, &r.edx, 4);
  std::memcpy(text + 8, &r.ecx, 4);
  return text;
}

std::string BrandName() {
  if (Cpuid(0x80000000u).eax < 0x80000004u) return "";
  char text[49] = {};
  for (uint32_t i = 0; i < 3; ++i) {
    const Registers r = Cpuid(0x80000002u + i);
    std::memcpy(text + 16 * i, &r, 16);
  }
  return std::string(absl::StripAsciiWhitespace(text));
}

/// Intel's and AMD's manuals, "CPUID leaf 1": the extended parts count for family 15 (model: 6
/// too).
void SetFamilyAndModel(HardwareFingerprint& hardware) {
  const uint32_t version = Cpuid(1).eax;
  uint32_t family = (version >> 8) & 0xF;
  uint32_t model = (version >> 4) & 0xF;
  if (family == 6 || family == 15) model |= ((version >> 16) & 0xF) << 4;
  if (family == 15) family += (version >> 20) & 0xFF;
  hardware.set_family(static_cast<int>(family));
  hardware.set_model(static_cast<int>(model));
}

/// Where an instruction set is announced, and which saved registers it needs.
struct Feature {
  const char* name;
  uint32_t leaf, part;
  uint32_t Registers::*where;
  int bit;
  uint64_t saved;
};
constexpr uint64_t kYmm = 0x6, kZmm = 0xE6, kTiles = 0x60000;
constexpr std::array<Feature, 15> kFeatures = {{
    {"sse4_2", 1, 0, &Registers::ecx, 20, 0},
    {"f16c", 1, 0, &Registers::ecx, 29, kYmm},
    {"fma", 1, 0, &Registers::ecx, 12, kYmm},
    {"avx2", 7, 0, &Registers::ebx, 5, kYmm},
    {"avx512f", 7, 0, &Registers::ebx, 16, kZmm},
    {"avx512dq", 7, 0, &Registers::ebx, 17, kZmm},
    {"avx512bw", 7, 0, &Registers::ebx, 30, kZmm},
    {"avx512vl", 7, 0, &Registers::ebx, 31, kZmm},
    {"avx512_vnni", 7, 0, &Registers::ecx, 11, kZmm},
    {"avx512_fp16", 7, 0, &Registers::edx, 23, kZmm},
    {"avx512_bf16", 7, 1, &Registers::eax, 5, kZmm},
    {"avx_vnni", 7, 1, &Registers::eax, 4, kYmm},
    {"amx_bf16", 7, 0, &Registers::edx, 22, kTiles},
    {"amx_int8", 7, 0, &Registers::edx, 25, kTiles},
    {"amx_fp16", 7, 1, &Registers::eax, 21, kTiles},
}};

HardwareFingerprint ReadMachine() {
  HardwareFingerprint hardware;
  hardware.set_device("cpu");
  hardware.set_architecture("x86_64");
  hardware.set_vendor(Vendor());
  hardware.set_name(BrandName());
  SetFamilyAndModel(hardware);
  const uint64_t saved = SavedRegisters();
  std::set<std::string> found;
  for (const Feature& feature : kFeatures) {
    const Registers registers = Cpuid(feature.leaf, feature.part);
    const bool announced = ((registers.*feature.where >> feature.bit) & 1) != 0;
    if (announced && (saved & feature.saved) == feature.saved) found.insert(feature.name);
  }
  for (const std::string& name : found) hardware.add_features(name);
  return hardware;
}

template <typename T>
void Compare(absl::string_view what, const T& built, const T& here, std::vector<std::string>& out) {
  if (built != here) out.push_back(absl::StrCat(what, " ", here, " instead of ", built));
}

}  // namespace

HardwareFingerprint ThisMachine() {
  static const HardwareFingerprint* const machine = new HardwareFingerprint(ReadMachine());
  return *machine;
}

std::vector<std::string> Differences(const HardwareFingerprint& built,
                                     const HardwareFingerprint& here) {
  std::vector<std::string> differences;
  Compare("device", built.device(), here.device(), differences);
  Compare("architecture", built.architecture(), here.architecture(), differences);
  Compare("processor vendor", built.vendor(), here.vendor(), differences);
  Compare("processor family", built.family(), here.family(), differences);
  Compare("processor model", built.model(), here.model(), differences);
  const std::set<std::string> had(built.features().begin(), built.features().end());
  const std::set<std::string> has(here.features().begin(), here.features().end());
  for (const std::string& name : had) {
    if (has.count(name) == 0) differences.push_back(absl::StrCat("without ", name));
  }
  for (const std::string& name : has) {
    if (had.count(name) == 0) differences.push_back(absl::StrCat("with ", name));
  }
  return differences;
}

std::string Describe(const HardwareFingerprint& hardware) {
  return absl::StrCat(hardware.name(), " (", hardware.vendor(), " ", hardware.family(), "/",
                      hardware.model(), "; ", absl::StrJoin(hardware.features(), " "), ")");
}

std::string FingerprintDigest(const HardwareFingerprint& hardware,
                              absl::string_view backend_version) {
  return Sha256Hex(
      absl::StrJoin({hardware.device(), hardware.architecture(), hardware.vendor(),
                     absl::StrCat(hardware.family()), absl::StrCat(hardware.model()),
                     absl::StrJoin(hardware.features(), " "), std::string(backend_version)},
                    "\n"));
}

}  // namespace trainyard::engine
