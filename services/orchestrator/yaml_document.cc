#include "services/orchestrator/yaml_document.h"

#include "libs/base/yaml_document.h"
#include "services/orchestrator/limits.h"

namespace trainyard::orchestrator {

absl::StatusOr<YAML::Node> LoadYaml(absl::string_view text, absl::string_view file) {
  return trainyard::LoadYaml(text, file,
                             {.max_bytes = kMaxPipelineBytes,
                              .max_nodes = kMaxYamlNodes,
                              .max_depth = kMaxYamlDepth,
                              .holds = "pipeline"});
}

}  // namespace trainyard::orchestrator
