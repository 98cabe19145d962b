#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "google/protobuf/descriptor.h"
#include "libs/spec/coverage.h"

namespace trainyard::testing {

/// A change of a field, after what it needs to be seen.
struct SpecChange {
  std::string change;
  std::vector<std::string> before = {};
};

/// The supported fields below `type` that hold a value of their own: "common.v1.NMSConfig.top_k".
inline void CollectLeaves(const google::protobuf::Descriptor* type,
                          absl::Span<const spec::CoverageRule> rules, std::set<std::string>& seen,
                          std::set<std::string>& leaves) {
  if (!seen.insert(std::string(type->full_name())).second) return;
  for (int i = 0; i < type->field_count(); ++i) {
    const google::protobuf::FieldDescriptor* field = type->field(i);
    if (spec::SupportOf(field, rules) != spec::FieldSupport::kSupported) continue;
    if (field->message_type() != nullptr && !field->is_map()) {
      CollectLeaves(field->message_type(), rules, seen, leaves);
      continue;
    }
    absl::string_view name = field->full_name();
    absl::ConsumePrefix(&name, "trainyard.spec.");
    leaves.emplace(name);
  }
}

inline std::set<std::string> LeavesOf(const google::protobuf::Descriptor* type,
                                      absl::Span<const spec::CoverageRule> rules) {
  std::set<std::string> seen, leaves;
  CollectLeaves(type, rules, seen, leaves);
  return leaves;
}

}  // namespace trainyard::testing
