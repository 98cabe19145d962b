#pragma once

#include <string>
#include <vector>

#include "services/orchestrator/pipeline.h"
#include "services/orchestrator/yaml_reader.h"
#include "yaml-cpp/yaml.h"

namespace trainyard::orchestrator {

/// Where a stage stands in the file, and the stages that it names itself.
struct StagePlace {
  /// The name of a stage, and where it is written.
  struct Mention {
    std::string name;
    YAML::Node node;
    std::string field;
  };
  YAML::Node node;
  /// By `after` and by its gates.
  std::vector<Mention> mentions;
};

/// Fills `needs` of all stages, from their references and mentions. Notes in `reader` references
/// that lead to no stage or output, and stages that wait for each other in a circle. `places` are
/// those of `stages`, in their order.
void LinkStages(YamlReader& reader, const std::vector<StagePlace>& places,
                std::vector<StageSpec>& stages);

}  // namespace trainyard::orchestrator
