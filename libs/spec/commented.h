#pragma once

#include <string>

#include "absl/types/span.h"
#include "google/protobuf/message.h"
#include "libs/spec/coverage.h"

namespace trainyard::spec {

/// A spec as a text for people: every field of its type in the order of the messages, each below what it
/// means (MeaningOf). What `spec` has is set; what it has not stands there as a comment, with its blocks,
/// and so does what `rules` do not act on. Reading the text gives an equal message, but for the latter and
/// for secrets.
std::string PrintCommented(const google::protobuf::Message& spec,
                           absl::Span<const CoverageRule> rules);

}  // namespace trainyard::spec
