#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/message.h"
#include "libs/spec/spec_kind.h"
#include "libs/spec/spec_use.h"
#include "trainyard/v1/stage.pb.h"

namespace trainyard::stages {

/// An output that a pipeline may place, and where it goes when the pipeline does not say.
struct OutputPlace {
  std::string name;
  /// Below the stage's folder in the run's results; "." for the folder itself. "" = made only when
  /// the pipeline names it.
  std::string default_path;
};

/// A kind of stage: what its service does for any network, as services, orchestrator and command
/// line need to know it. What it makes of its options is the service's business.
struct StageKind {
  /// `train`, `evaluate_engine`: what a pipeline's `kind`, operations and capabilities say.
  std::string name;
  /// `train`, `convert-engine`: the program that offers it, a key of a pipeline's `services`.
  std::string service;
  /// Operations of one lane wait for each other (service::Stage::lane).
  std::string lane = "default";
  /// Raised by hand when a change of ours alters what the stage makes of the same inputs; part of
  /// the cache key.
  int implementation_version = 1;
  /// The kind of spec that it takes, if it takes one; kExperiment is its network's, wanted for
  /// `use`.
  std::optional<spec::SpecKind> spec;
  bool needs_spec = false;
  spec::SpecUse use = spec::SpecUse::kEvaluate;
  /// Whether what it makes depends on the machine: then the service's devices are in the cache key.
  bool hardware_bound = false;
  /// Whether it reads or writes sealed models; the others are never given the key.
  bool uses_key = true;
  std::vector<std::string> required_inputs;
  std::vector<std::string> optional_inputs;
  std::vector<OutputPlace> outputs;
  /// Names that `${stage.X.outputs.NAME}` may use; more than `outputs` for train.
  std::vector<std::string> reported_outputs;

  /// The message that asks for it and its options, all fields absent. Its method is the one that
  /// takes this message.
  const google::protobuf::Message* request = nullptr;
  const google::protobuf::Message* options = nullptr;
  /// Such a message. `options` is of the type above.
  std::unique_ptr<google::protobuf::Message> (*make_request)(
      const v1::StageInput& stage, const google::protobuf::Message& options,
      const std::string& request_id, bool validate_only) = nullptr;
};

/// All kinds, in the order of the workflow.
absl::Span<const StageKind> StageKinds();
std::vector<std::string> StageKindNames();
/// nullptr when there is none.
const StageKind* FindStageKind(absl::string_view name);
/// The kind that a message of this type asks for; nullptr when there is none.
const StageKind* FindStageKind(const google::protobuf::Descriptor& request);
/// The services that have stages, in that order: `convert`, `train`, `prune`, `export`,
/// `convert-engine`.
const std::vector<std::string>& StageServices();

}  // namespace trainyard::stages
