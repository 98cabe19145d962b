#include "services/orchestrator/stage_input.h"

#include <functional>
#include <optional>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "services/orchestrator/references.h"
#include "services/orchestrator/run_state.h"

namespace trainyard::orchestrator {
namespace {

// What a reference to a stage's output stands for.
using OutputOf = std::function<std::optional<v1::Artifact>(const OutputReference&, Problems&)>;

class InputBuilder {
 public:
  InputBuilder(const Pipeline& pipeline, const StageSpec& stage, int variant, std::string run_id,
               OutputOf output_of, TextRoom& room)
      : pipeline_(pipeline),
        stage_(stage),
        variant_(variant),
        run_id_(std::move(run_id)),
        output_of_(std::move(output_of)),
        room_(room) {}

  absl::StatusOr<v1::StageInput> Build() {
    v1::StageInput input;
    input.set_network(stage_.network);
    if (!stage_.spec_text.empty()) {
      input.set_spec_text(Expand(stage_.spec_text, "spec"));
      input.set_spec_name(stage_.spec_name);
    }
    for (const std::string& text : stage_.overrides) input.add_overrides(Expand(text, "overrides"));
    if (variant_ > 0) {
      for (const std::string& text : stage_.gates.retry_overrides) {
        input.add_overrides(Expand(text, "gates.retry"));
      }
    }
    for (const auto& [name, uri] : stage_.inputs) AddInput(name, uri, *input.add_inputs());
    AddOutputs(input);
    for (const auto& [from, to] : pipeline_.path_map) (*input.mutable_path_map())[from] = to;
    TY_RETURN_IF_ERROR(problems_.ToStatus(absl::StatusCode::kFailedPrecondition));
    return input;
  }

 private:
  std::string Expand(const std::string& text, const std::string& field) {
    if (room_.exceeded) return "";
    auto expanded = ExpandReferences(text, [this](const std::string& name) {
      if (name == "results") return std::optional(RunFolder(pipeline_, run_id_));
      if (name == "run") return std::optional(run_id_);
      const auto reference = ParseOutputReference(name);
      std::optional<v1::Artifact> output;
      if (reference.has_value()) output = output_of_(*reference, problems_);
      return output.has_value() ? std::optional(output->uri()) : std::nullopt;
    }, room_);
    if (expanded.ok()) return *std::move(expanded);
    problems_.Add(field, "%s", std::string(expanded.status().message()));
    return room_.exceeded ? "" : text;
  }

  void AddInput(const std::string& name, const std::string& uri, v1::Artifact& artifact) {
    artifact.set_name(name);
    artifact.set_uri(Expand(uri, absl::StrCat("inputs.", name)));
    // An input that is an output as it stands has a recorded digest, which the service checks.
    const auto references = FindReferences(uri);
    if (!references.ok() || references->size() != 1) return;
    const Reference& only = references->front();
    const auto reference = ParseOutputReference(only.name);
    if (only.begin != 0 || only.end != uri.size() || !reference.has_value()) return;
    Problems already_noted;
    if (const auto output = output_of_(*reference, already_noted)) {
      artifact.set_kind(output->kind());
      artifact.set_sha256(output->sha256());
      artifact.set_size_bytes(output->size_bytes());
    }
  }

  void AddOutputs(v1::StageInput& input) {
    const std::string folder = StageFolder(pipeline_, run_id_, stage_, variant_);
    for (const stages::OutputPlace& place : stage_.kind->outputs) {
      const auto given = absl::c_find_if(
          stage_.outputs, [&place](const auto& output) { return output.first == place.name; });
      if (given == stage_.outputs.end() && place.default_path.empty()) continue;
      v1::Artifact& artifact = *input.add_outputs();
      artifact.set_name(place.name);
      if (given != stage_.outputs.end()) {
        artifact.set_uri(Expand(given->second, absl::StrCat("outputs.", place.name)));
      } else {
        artifact.set_uri(place.default_path == "." ? folder : JoinPath(folder, place.default_path));
      }
    }
  }

  const Pipeline& pipeline_;
  const StageSpec& stage_;
  const int variant_;
  const std::string run_id_;
  const OutputOf output_of_;
  TextRoom& room_;
  Problems problems_;
};

std::optional<v1::Artifact> RecordedOutput(const v1::Run& run, const OutputReference& reference,
                                           Problems& problems) {
  const std::string field = absl::StrCat("${stage.", reference.stage, ".outputs.", reference.output, "}");
  const v1::Run::Stage* stage = FindStage(run, reference.stage);
  if (stage == nullptr || !IsGood(stage->state())) {
    problems.Add(field, "has no value: stage '%s' has not ended well", reference.stage);
    return std::nullopt;
  }
  std::vector<std::string> names;
  for (const v1::Artifact& output : stage->outputs()) {
    if (output.name() == reference.output) return output;
    names.push_back(output.name());
  }
  problems.Add(field, "has no value: stage '%s' made %s", reference.stage,
               names.empty() ? "nothing" : absl::StrJoin(names, ", "));
  return std::nullopt;
}

}  // namespace

std::string RunFolder(const Pipeline& pipeline, const std::string& run_id) {
  return JoinPath(pipeline.results, run_id);
}

std::string StageFolder(const Pipeline& pipeline, const std::string& run_id, const StageSpec& stage,
                        int variant) {
  const std::string folder = JoinPath(RunFolder(pipeline, run_id), stage.name);
  return variant == 0 ? folder : absl::StrCat(folder, ".", variant + 1);
}

absl::StatusOr<v1::StageInput> BuildStageInput(const Pipeline& pipeline, const StageSpec& stage,
                                               int variant, const v1::Run& run) {
  const std::string run_id(absl::StripPrefix(run.name(), "runs/"));
  TextRoom room;
  return InputBuilder(pipeline, stage, variant, run_id,
                      [&run](const OutputReference& reference, Problems& problems) {
                        return RecordedOutput(run, reference, problems);
                      },
                      room)
      .Build();
}

absl::StatusOr<v1::StageInput> BuildDraftInput(const Pipeline& pipeline, const StageSpec& stage,
                                               TextRoom& room, int variant) {
  return InputBuilder(pipeline, stage, variant, "run",
                      [](const OutputReference& reference, Problems&) {
                        v1::Artifact draft;
                        draft.set_uri(absl::StrCat("draft/", reference.stage, "/", reference.output));
                        return std::optional(draft);
                      },
                      room)
      .Build();
}

bool IsSelfContained(const StageSpec& stage) { return stage.needs.empty(); }

std::shared_ptr<const google::protobuf::Message> OptionsForTry(const StageSpec& stage, int retry) {
  if (retry == 0) return stage.options;
  std::shared_ptr<google::protobuf::Message> options(stage.options->New());
  options->CopyFrom(*stage.options);
  for (const char* name : {"resume", "force"}) {
    const auto* field = options->GetDescriptor()->FindFieldByName(name);
    if (field != nullptr) options->GetReflection()->SetBool(options.get(), field, true);
  }
  return options;
}

SpecQuestion SpecQuestionOf(const StageSpec& stage, const v1::StageInput& input) {
  const bool has_root = absl::c_any_of(input.inputs(), [](const v1::Artifact& artifact) {
    return artifact.name() == "root";
  });
  return {.kind = stage.kind,
          .network = input.network(),
          .text = input.spec_text(),
          .name = input.spec_name(),
          .overrides = {input.overrides().begin(), input.overrides().end()},
          .has_root = has_root};
}

}  // namespace trainyard::orchestrator
