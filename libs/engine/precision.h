#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace trainyard::engine {

/// What a network computes in.
enum class Precision { kFp32, kInt8 };
absl::string_view NameOf(Precision precision);

/// What was asked for, and what will be built instead when the processor lacks it.
struct PrecisionChoice {
  std::string requested;
  Precision used = Precision::kFp32;
  /// Why `used` is not what was asked for; "" when it is.
  std::string warning;
};

/// Chooses for TAO's `-t` / `--data_type`. `native` names what the processor computes in: `FP32`,
/// `FP16`, `BF16`, `INT8`. `int8` or `fp16` on a processor without it become FP32 with a warning
/// (TAO's rule).
///
/// kUnimplemented, by name, for `fp16` on a processor that has it and for `bf16`; kInvalidArgument,
/// with the names that there are, for anything else.
absl::StatusOr<PrecisionChoice> ChoosePrecision(absl::string_view requested,
                                                absl::Span<const std::string> native);

/// The greatest magnitude that a kernel's values may have in INT8 on a processor with these
/// instruction sets (HardwareFingerprint.features). 127 where products are added in 32 bits (VNNI,
/// AMX). Else 64: there vpmaddubsw adds pairs of them in 16 bits and cuts off what does not fit,
/// and 2 * 255 * 64 fits. Without this such a processor gets half of the outputs wrong
/// (docs/quantization.md).
int LargestKernelStep(absl::Span<const std::string> features);

}  // namespace trainyard::engine
