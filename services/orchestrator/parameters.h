#pragma once

#include <map>
#include <string>

#include "services/orchestrator/pipeline.h"
#include "services/orchestrator/references.h"
#include "services/orchestrator/yaml_reader.h"
#include "yaml-cpp/yaml.h"

namespace trainyard::orchestrator {

/// The values of a pipeline's `params`, and how they get into its texts. Not thread-safe.
class Parameters {
 public:
  /// Both outlive this object. Problems go to `reader`.
  Parameters(const PipelineSource& source, YamlReader& reader) : source_(source), reader_(reader) {}

  /// Takes defaults from `params` of the file and values from the source. Notes parameters without a
  /// value, values for parameters that are not there, and more than the limits allow.
  void Read(const YAML::Node& params);
  /// Replaces `${param.X}`; other references stay. Notes parameters that are not there, and, once,
  /// that there is no room; "" then and from then on.
  std::string Expand(const std::string& text, const std::string& place);

  const std::map<std::string, std::string>& values() const { return values_; }
  /// Whether Expand has no room left.
  bool exceeded() const { return room_.exceeded; }

 private:
  void ReadDefaults(const YAML::Node& params);

  const PipelineSource& source_;
  YamlReader& reader_;
  std::map<std::string, std::string> values_;
  TextRoom room_;
};

}  // namespace trainyard::orchestrator
