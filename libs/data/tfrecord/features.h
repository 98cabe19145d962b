#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard::data::internal {

using BytesList = std::vector<absl::string_view>;
using FloatList = std::vector<float>;
using Int64List = std::vector<int64_t>;

/// The three kinds of a feature, in the order of their field numbers less one.
using FeatureValue = std::variant<BytesList, FloatList, Int64List>;
inline constexpr absl::string_view kFeatureKinds[] = {"bytes", "float", "int64"};

/// What a tf.train.Example holds, by name. Texts are views.
using Features = std::map<std::string, FeatureValue, std::less<>>;

/// The serialized tf.train.Example: features sorted by name, numeric lists packed. Deterministic.
/// Source: tensorflow/core/example/{example,feature}.proto.
std::string EncodeFeatures(const Features& features);

/// Reads a tf.train.Example; of a name that is there twice the last counts. Texts are views into
/// `bytes`. kDataLoss, naming the feature, when the bytes are none. Sizes are checked against the
/// bytes before anything is allocated.
absl::StatusOr<Features> ReadFeatures(absl::string_view bytes);

}  // namespace trainyard::data::internal
