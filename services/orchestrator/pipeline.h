#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "libs/stages/stage_kinds.h"
#include "services/orchestrator/gates.h"

namespace trainyard::orchestrator {

/// One stage of a pipeline. Texts may still hold `${stage.X.outputs.Y}`, `${results}` and `${run}`,
/// which get their values when the stage is about to run; `${param.X}` is already replaced.
struct StageSpec {
  std::string name;
  const stages::StageKind* kind = nullptr;
  /// The registry's default when the file names none.
  std::string network;
  /// The spec's text, "" when there is none; and the name that its errors have.
  std::string spec_text;
  std::string spec_name;
  std::vector<std::string> overrides;
  /// An instance of `kind->options`. Never null.
  std::shared_ptr<const google::protobuf::Message> options;
  /// Name and URI, in the order of the file.
  std::vector<std::pair<std::string, std::string>> inputs;
  std::vector<std::pair<std::string, std::string>> outputs;
  /// Further files that the stage reads: part of the cache key only.
  std::vector<std::string> reads;
  Gates gates;
  /// How often a stage that failed for a passing reason is tried again. >= 0.
  int retries = 1;
  /// Indices of the stages that must have ended well before: from references, gates and `after`.
  std::vector<int> needs;
};

/// A pipeline file, checked.
struct Pipeline {
  std::string name;
  /// Addresses (`host:port`) by service; a service that is missing here is the orchestrator's own
  /// choice.
  std::map<std::string, std::vector<std::string>> services;
  /// `env:NAME` or `file:PATH`; "" = none. A literal key is refused: it would lie in a file.
  std::string key;
  /// Folder of all runs of this pipeline; each run has its own below.
  std::string results = "results";
  std::map<std::string, std::string> path_map;
  /// In the order of the file, which need not be the order of work.
  std::vector<StageSpec> stages;
  /// Values of all parameters.
  std::map<std::string, std::string> parameters;
  /// Texts of the spec files, by their paths as the pipeline writes them; what was sent or read.
  std::map<std::string, std::string> spec_files;
};

/// `spec:`, the prefix of parameters that hold the text of a spec file.
inline constexpr absl::string_view kSpecParameterPrefix = "spec:";

/// What a pipeline is read from.
struct PipelineSource {
  /// YAML; docs/services/orchestrator.md describes it.
  std::string text;
  /// The name that errors have; spec files are looked for in its folder.
  std::string name = "pipeline.yaml";
  /// Values of `${param.X}`. A name `spec:PATH` is no parameter but the text of the spec file that the
  /// pipeline writes as PATH.
  std::map<std::string, std::string> parameters;
  /// Reads a spec file, by the path as the pipeline has it joined to the folder of `name`.
  std::function<absl::StatusOr<std::string>(const std::string& path)> read_spec;
};

/// Reads and checks a pipeline. Touches nothing but spec files.
///
/// kInvalidArgument lists every problem with file:line:column and, for a name that is not known, the
/// nearest that is: YAML that does not parse, unknown or repeated keys, missing parameters, kinds,
/// inputs and outputs, options that the kind does not have, references to stages or outputs that are
/// not there, stages that wait for each other in a circle, spec files that cannot be read, and what
/// passes a limit of limits.h; of more than kMaxProblems the rest is counted.
absl::StatusOr<Pipeline> ParsePipeline(const PipelineSource& source);

/// The paths of spec files that the text names, without checking anything else: for a client that
/// sends their content along (PipelineSource::parameters).
std::vector<std::string> SpecFilesOf(absl::string_view pipeline_text);

}  // namespace trainyard::orchestrator
