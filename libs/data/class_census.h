#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "libs/data/class_map.h"

namespace trainyard::data {

/// How many objects a set has, by class, held against the mapping that was given. Conversion,
/// training and evaluation all judge a mapping by this. Value semantics.
class ClassCensus {
 public:
  /// An object of a label file, by its class as it stands there.
  void Add(absl::string_view label_class);
  /// An object of a converted set, by its training class; and what the conversion left out.
  void AddRecorded(const std::string& training_class) { ++recorded_[training_class]; }
  void AddLeftOut(const std::string& label_class, int64_t objects);

  /// Objects of label files by ClassKey.
  const std::map<std::string, int64_t>& found() const { return found_; }
  /// Those that `map`, or a conversion, leaves out.
  std::map<std::string, int64_t> Unmapped(const ClassMap& map) const;

  /// kInvalidArgument when there are objects, but none of a class of `map`: names what the labels
  /// have and what the mapping looks for, so that a misspelt class is seen.
  absl::Status Check(const ClassMap& map) const;
  /// For people: no object at all; classes that are left out, with counts; training classes without
  /// an object; names that the mapping looks for in vain, with the nearest that is there.
  std::vector<std::string> Describe(const ClassMap& map) const;

 private:
  bool is_empty() const { return found_.empty() && recorded_.empty() && left_out_.empty(); }

  std::map<std::string, int64_t> found_, recorded_, left_out_;
};

}  // namespace trainyard::data
