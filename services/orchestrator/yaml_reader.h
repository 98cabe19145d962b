#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/message.h"
#include "libs/base/problems.h"
#include "services/orchestrator/limits.h"
#include "yaml-cpp/yaml.h"

namespace trainyard::orchestrator {

/// Reads YAML nodes and notes each problem with its place. Scalars have their `${param.X}` replaced
/// by `expand`, which notes what it cannot replace. Reads at most kMaxYamlNodes values, an alias
/// counting each time, and says so when there are more. Not thread-safe.
class YamlReader {
 public:
  using Expand = std::function<std::string(const std::string& text, const std::string& place)>;
  explicit YamlReader(std::string file) : file_(std::move(file)) {}
  void set_expand(Expand expand) { expand_ = std::move(expand); }

  /// "pipeline.yaml:12:5".
  std::string Place(const YAML::Node& node) const;
  template <typename... Args>
  void Add(const YAML::Node& node, const std::string& field,
           const absl::FormatSpec<Args...>& format, const Args&... args) {
    Note({.field = field,
          .description = absl::StrFormat(format, args...),
          .place = Place(node)});
  }
  /// Adds a problem; the first kMaxProblems are kept, the others counted.
  void Note(Problem problem);
  /// "; did you mean 'x'?" or "": as DidYouMean, for the first problems only, since a long list of
  /// unknown names would cost minutes.
  std::string Hint(absl::string_view name, absl::Span<const std::string> known) const;
  /// All problems as one status, the uncounted ones as a number.
  absl::Status Finish();

  /// The entries of a mapping in their order. Notes a node that is none, repeated keys, and keys that
  /// are not among `known` (empty = any).
  std::vector<std::pair<YAML::Node, YAML::Node>> Mapping(const YAML::Node& node,
                                                         const std::string& field,
                                                         absl::Span<const std::string> known);
  /// The scalar's text; "" and a note when the node is none.
  std::string Scalar(const YAML::Node& node, const std::string& field);
  /// A list of scalars; one scalar counts as a list of one.
  std::vector<std::string> List(const YAML::Node& node, const std::string& field);
  /// Notes and returns nothing when the scalar is no finite number.
  std::optional<double> Number(const YAML::Node& node, const std::string& field);
  /// A mapping of scalars in its order.
  std::vector<std::pair<std::string, std::string>> Pairs(const YAML::Node& node,
                                                         const std::string& field);
  /// Fills the fields of `message` (scalars, and lists of them) from a mapping by their names.
  void Fields(const YAML::Node& node, const std::string& field, google::protobuf::Message& message);

 private:
  void SetField(const YAML::Node& node, const std::string& field, const std::string& text,
                const google::protobuf::FieldDescriptor& descriptor,
                google::protobuf::Message& message);
  // Whether one more value may be read; notes it once when not.
  bool Count(const YAML::Node& node);

  std::string file_;
  Problems problems_;
  size_t left_out_ = 0;
  size_t values_ = 0;
  Expand expand_;
};

}  // namespace trainyard::orchestrator
