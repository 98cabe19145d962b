#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "yaml-cpp/yaml.h"

namespace trainyard {

/// What a YAML text may ask of its reader.
struct YamlLimits {
  size_t max_bytes = size_t{1} << 20;
  /// Scalars, lists, mappings and aliases as they stand in the text. An alias is one; who walks through
  /// the tree meets what it stands for each time, and has to count itself.
  size_t max_nodes = 100000;
  /// Lists and mappings inside each other.
  int max_depth = 64;
  /// What the file holds one of, for the message about a second document.
  std::string holds = "document";
};

/// Reads the one document of a YAML text, whose size, depth and number of nodes are held against
/// `limits` before anything is built from it. `file` is the name that errors have. An empty text is a
/// node that is null.
///
/// kInvalidArgument, with file:line:column, for text that is no YAML, for a second document, and for
/// text that passes a limit, which the message names. yaml-cpp's exceptions end here; those of its
/// nodes are for the caller.
absl::StatusOr<YAML::Node> LoadYaml(absl::string_view text, absl::string_view file,
                                    const YamlLimits& limits = {});

}  // namespace trainyard
