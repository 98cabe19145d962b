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
#include "yaml-cpp/yaml.h"

namespace trainyard::orchestrator {

/// Reads YAML nodes and notes each problem with its place. Scalars have their `${param.X}` replaced
/// by `expand`, which notes what it cannot replace. Not thread-safe.
class YamlReader {
 public:
  using Expand = std::function<std::string(const std::string& text, const std::string& place)>;
  YamlReader(std::string file, Problems& problems) : file_(std::move(file)), problems_(problems) {}
  void set_expand(Expand expand) { expand_ = std::move(expand); }

  /// "pipeline.yaml:12:5".
  std::string Place(const YAML::Node& node) const;
  template <typename... Args>
  void Add(const YAML::Node& node, const std::string& field,
           const absl::FormatSpec<Args...>& format, const Args&... args) {
    problems_.AddProblem({.field = field,
                          .description = absl::StrFormat(format, args...),
                          .place = Place(node)});
  }

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
  std::string file_;
  Problems& problems_;
  Expand expand_;
};

}  // namespace trainyard::orchestrator
