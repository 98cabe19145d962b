#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "trainyard/model/v1/engine_header.pb.h"

namespace trainyard::engine {

using model::v1::EngineHeader;
using model::v1::HardwareFingerprint;

/// The processor of this machine, from CPUID and XGETBV (an instruction set counts when the system
/// saves its registers too). Constant for a process. Thread-safe.
HardwareFingerprint ThisMachine();

/// What differs between the machine an engine was built for and this one, a phrase each: "processor
/// family 25 instead of 6", "without avx512_vnni". Names are not compared. Empty when nothing does.
std::vector<std::string> Differences(const HardwareFingerprint& built,
                                     const HardwareFingerprint& here);

/// One line: "AMD EPYC (AuthenticAMD 25/17; avx2 avx512_vnni)".
std::string Describe(const HardwareFingerprint& hardware);

/// A short stable text for cache keys: SHA-256 of the compared fields.
std::string FingerprintDigest(const HardwareFingerprint& hardware,
                              absl::string_view backend_version);

}  // namespace trainyard::engine
