#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace trainyard::data {

/// The name of a class as labels and specs are compared by it: in lower case (ASCII), and UTF-8: of
/// other bytes each becomes \xNN, so that a label file in Latin-1 has a class that can be shown and
/// mapped, though not by its letters.
std::string ClassKey(absl::string_view name);

/// Label class -> training class and its number (TAO `target_class_mapping`).
///
/// Names are compared in lower case on both sides. The training classes are the sorted set of the
/// lower-cased values, numbered from 1; 0 is background. Value semantics.
class ClassMap {
 public:
  /// kInvalidArgument, listing each, for a name that is empty or blanks alone, and for a label
  /// class that is mapped to two training classes.
  static absl::StatusOr<ClassMap> Create(
      absl::Span<const std::pair<std::string, std::string>> mapping);
  /// Each class to itself. Names that are empty or blanks alone are left out.
  static ClassMap Identity(absl::Span<const std::string> classes);

  /// The number of a label class, or 0 when it is not mapped.
  int Find(absl::string_view label_class) const;
  /// The label classes that are mapped, sorted.
  std::vector<std::string> LabelClasses() const;
  /// The training classes: class `id` is classes()[id - 1].
  const std::vector<std::string>& classes() const { return classes_; }

 private:
  std::map<std::string, int, std::less<>> ids_;
  std::vector<std::string> classes_;
};

}  // namespace trainyard::data
