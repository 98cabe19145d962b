#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/commands.h"
#include "cli/display.h"
#include "cli/session.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/networks/prepare_spec.h"
#include "libs/networks/registry.h"
#include "libs/sealing/model_file.h"
#include "libs/service/key.h"
#include "libs/spec/augment_spec.h"
#include "libs/spec/dataset_spec.h"
#include "libs/spec/spec_kind.h"
#include "libs/worker/rpc_status.h"
#include "libs/worker/run_alone.h"

namespace trainyard::cli {
namespace {

// --- spec check

struct SpecFlags {
  OutputOptions output;
  std::string path, kind, task = "train";
  std::vector<std::string> overrides;
  bool print = false;
};

// The networks' names, and those of the specs that belong to none.
std::vector<std::string> Kinds() {
  std::vector<std::string> kinds = networks::NetworkNames();
  kinds.insert(kinds.end(), {"dataset", "augment"});
  return kinds;
}

size_t CountProblems(const absl::Status& status) {
  return status.ok() ? 0 : std::max<size_t>(ProblemsFrom(status).size(), 1);
}

size_t ProblemsAs(const std::string& kind, absl::string_view text) {
  if (kind == "dataset")
    return CountProblems(spec::ParseDatasetExport(text, "", {}, nullptr).status());
  if (kind == "augment") return CountProblems(spec::ParseAugment(text, "", {}, nullptr).status());
  return CountProblems((*networks::FindNetwork(kind))->Parse(text, "", {}, nullptr).status());
}

// What the text's own fields tell; else the kind of message that it parses as with the fewest
// problems, the first among equals.
std::string GuessKind(absl::string_view text) {
  const spec::RecognisedSpec told = spec::RecogniseSpec(text, networks::NetworkMarkers());
  if (told.kind == spec::SpecKind::kConversion) return "dataset";
  if (told.kind == spec::SpecKind::kAugment) return "augment";
  if (told.kind == spec::SpecKind::kExperiment) return told.network;
  const std::vector<std::string> kinds = Kinds();
  if (told.kind != spec::SpecKind::kUnknown) return kinds.front();
  return *std::min_element(kinds.begin(), kinds.end(), [&](const auto& a, const auto& b) {
    return ProblemsAs(a, text) < ProblemsAs(b, text);
  });
}

const std::map<std::string, spec::SpecUse>& Uses() {
  static const auto* uses =
      new std::map<std::string, spec::SpecUse>{{"train", spec::SpecUse::kTrain},
                                               {"evaluate", spec::SpecUse::kEvaluate},
                                               {"inference", spec::SpecUse::kInference},
                                               {"export", spec::SpecUse::kExport}};
  return *uses;
}

template <typename Message>
absl::StatusOr<std::string> Canonical(absl::StatusOr<Message> message) {
  if (!message.ok()) return message.status();
  return spec::PrintCanonical(*message);
}

absl::StatusOr<std::string> CheckSpec(const SpecFlags& flags, const std::string& text,
                                      std::vector<std::string>* warnings) {
  const std::string kind = flags.kind.empty() ? GuessKind(text) : flags.kind;
  if (kind == "dataset") {
    return Canonical(spec::LoadDatasetExport(text, flags.path, flags.overrides, false, warnings,
                                             networks::NetworkMarkers()));
  }
  if (kind == "augment") {
    return Canonical(
        spec::LoadAugment(text, flags.path, flags.overrides, warnings, networks::NetworkMarkers()));
  }
  TY_ASSIGN_OR_RETURN(const networks::NetworkFamily* network, networks::FindNetwork(kind));
  TY_ASSIGN_OR_RETURN(
      const networks::SpecMessage spec,
      network->Load(text, flags.path, flags.overrides, Uses().at(flags.task), warnings));
  return spec::PrintCanonical(*spec);
}

int RunSpecCheck(const SpecFlags& flags) {
  const auto text = ReadFile(flags.path, 4 << 20);
  if (!text.ok()) return PrintFailure(flags.output, text.status(), FailedAt::kUsage);
  std::vector<std::string> warnings;
  const auto canonical = CheckSpec(flags, *text, &warnings);
  for (const std::string& warning : warnings) {
    fprintf(stderr, "trainyard: warning: %s\n", warning.c_str());
  }
  if (!canonical.ok()) {
    return PrintFailure(flags.output, canonical.status(), FailedAt::kOperation);
  }
  if (flags.print && !flags.output.json) {
    printf("%s", canonical->c_str());
  } else {
    PrintValid(flags.output, flags.path);
  }
  return 0;
}

// --- inspect

struct InspectFlags {
  OutputOptions output;
  std::string path, key;
};

// A worker reads the file, so that one that ends the reader ends in a message.
absl::StatusOr<worker::v1::Finished> Inspect(const std::string& path,
                                             const std::string& key_reference) {
  TY_ASSIGN_OR_RETURN(const sealing::SealedKind kind, sealing::PeekSealed(path));
  service::Key key;
  if (kind != sealing::SealedKind::kEngine) {
    TY_ASSIGN_OR_RETURN(key, service::ResolveKey(key_reference));
  }
  worker::WorkerJob job;
  job.mutable_inspect()->set_model(std::filesystem::absolute(path).string());
  job.mutable_inspect()->set_shown(path);
  auto finished = worker::RunAlone("trainyard-stage-worker", std::move(job), key.text);
  if (worker::ReasonOf(finished.status()) != "WORKER_CRASHED") return finished;
  return Annotate(finished.status(), absl::StrCat("while reading '", path, "'"));
}

int RunInspect(const InspectFlags& flags) {
  WarnOfKeyFile(flags.key);
  const auto finished = Inspect(flags.path, flags.key);
  if (!finished.ok()) return PrintFailure(flags.output, finished.status(), FailedAt::kOperation);
  if (flags.output.json) {
    PrintJson(finished->description());
  } else {
    for (const std::string& line : finished->notes()) printf("%s\n", line.c_str());
  }
  return 0;
}

}  // namespace

void AddToolCommands(CLI::App& app, Run& run) {
  CLI::App& spec = *app.add_subcommand("spec", "work with spec files");
  spec.require_subcommand(1);
  auto spec_flags = std::make_shared<SpecFlags>();
  CLI::App& check = *spec.add_subcommand("check", "name everything that is wrong with a spec");
  check.add_option("file", spec_flags->path, "spec file")->required();
  check
      .add_option("--kind", spec_flags->kind,
                  absl::StrCat(absl::StrJoin(networks::NetworkNames(), ", "),
                               ", dataset or augment (by its content)"))
      ->check(CLI::IsMember(Kinds()));
  check.add_option("--task", spec_flags->task, "train, evaluate, inference or export (train)")
      ->check(CLI::IsMember(Uses()));
  check.add_option("--set", spec_flags->overrides, "change the spec: path=value (repeatable)")
      ->allow_extra_args(false);
  check.add_flag("--print", spec_flags->print, "print the spec with defaults applied");
  check.add_flag("--json", spec_flags->output.json, "errors as JSON");
  WhenTyped(check, run, spec_flags, RunSpecCheck);

  auto inspect_flags = std::make_shared<InspectFlags>();
  CLI::App& inspect = *app.add_subcommand("inspect", "say what a .tlt, .etlt or .engine holds");
  inspect.add_option("file", inspect_flags->path, "model file")->required();
  inspect.add_option("-k,--key", inspect_flags->key, "key: env:NAME, file:PATH or the key");
  inspect.add_flag("--json", inspect_flags->output.json, "the description as JSON");
  WhenTyped(inspect, run, inspect_flags, RunInspect);
}

}  // namespace trainyard::cli
