#include "libs/engine/precision.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/problems.h"

namespace trainyard::engine {

absl::string_view NameOf(Precision precision) {
  return precision == Precision::kInt8 ? "int8" : "fp32";
}

absl::StatusOr<PrecisionChoice> ChoosePrecision(absl::string_view requested,
                                                absl::Span<const std::string> native) {
  const auto has = [native](absl::string_view name) {
    return std::find(native.begin(), native.end(), name) != native.end();
  };
  const std::string name = requested.empty() ? "fp32" : absl::AsciiStrToLower(requested);
  if (name == "fp32") return PrecisionChoice{name, Precision::kFp32, ""};
  if (name == "int8" && has("INT8")) return PrecisionChoice{name, Precision::kInt8, ""};
  if (name == "int8" || (name == "fp16" && !has("FP16"))) {
    return PrecisionChoice{name, Precision::kFp32,
                           absl::StrCat("this processor has no ", absl::AsciiStrToUpper(name),
                                        " of its own; FP32 is built instead")};
  }
  if (name == "fp16" || name == "bf16") {
    return absl::UnimplementedError(
        absl::StrCat("engines in ", name, " are not offered yet; 'fp32' and 'int8' are"));
  }
  return absl::InvalidArgumentError(absl::StrCat("precision is '", requested,
                                                 "'; expected 'fp32', 'fp16' or 'int8'",
                                                 DidYouMean(name, {"fp32", "fp16", "int8"})));
}

int LargestKernelStep(absl::Span<const std::string> features) {
  for (const absl::string_view wide : {"avx512_vnni", "avx_vnni", "amx_int8"}) {
    if (std::find(features.begin(), features.end(), wide) != features.end()) return 127;
  }
  return 64;
}

}  // namespace trainyard::engine
