#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/message.h"

namespace trainyard::orchestrator {

/// An output that a pipeline may place, and where it goes when the pipeline does not say.
struct OutputPlace {
  std::string name;
  /// Below the stage's folder in the run's results; "." for the folder itself. "" = made only when the
  /// pipeline names it.
  std::string default_path;
};

/// What the orchestrator knows of a kind of stage; the rest is the services' business.
struct StageKind {
  /// `train`, `evaluate_engine`: what a pipeline's `kind` says.
  std::string name;
  /// `train`, `convert-engine`: a key of the pipeline's `services`.
  std::string service;
  /// Raised by hand when a change of ours alters what the stage makes of the same inputs; part of the
  /// cache key.
  int implementation_version = 1;
  /// Whether the stage takes a spec, and needs one.
  bool takes_spec = false;
  bool needs_spec = false;
  /// Whether what it makes depends on the machine: then the service's devices are in the cache key.
  bool hardware_bound = false;
  /// Whether it reads or writes sealed models; the others are never given the key.
  bool uses_key = true;
  std::vector<std::string> required_inputs;
  std::vector<std::string> optional_inputs;
  std::vector<OutputPlace> outputs;
  /// Names that `${stage.X.outputs.NAME}` may use; more than `outputs` for train.
  std::vector<std::string> reported_outputs;
  /// The kind's Options message, all fields absent.
  const google::protobuf::Message* options = nullptr;
};

/// All kinds, in the order of the workflow.
absl::Span<const StageKind> StageKinds();
std::vector<std::string> StageKindNames();
/// nullptr when there is none.
const StageKind* FindStageKind(absl::string_view name);
/// `convert`, `train`, `prune`, `export`, `convert-engine`.
const std::vector<std::string>& StageServices();

}  // namespace trainyard::orchestrator
