#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/commands.h"
#include "cli/display.h"
#include "google/protobuf/text_format.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/data/sample_data.h"
#include "libs/sealing/model_store.h"
#include "libs/service/key.h"
#include "libs/spec/augment_spec.h"
#include "libs/spec/dataset_spec.h"
#include "libs/spec/ssd_spec.h"
#include "trainyard/model/v1/engine_header.pb.h"

namespace trainyard::cli {
namespace {

// --- spec check

struct SpecFlags {
  OutputOptions output;
  std::string path, kind, task = "train";
  std::vector<std::string> overrides;
  bool print = false;
};

// The kind of message that the text parses as with the fewest problems; an experiment among equals.
std::string GuessKind(absl::string_view text) {
  const auto problems = [](const absl::Status& status) {
    return status.ok() ? 0 : std::max<size_t>(ProblemsFrom(status).size(), 1);
  };
  std::string best = "ssd";
  size_t fewest = problems(ParseExperiment(text, "", {}, nullptr).status());
  for (const auto& [kind, count] :
       {std::pair("dataset", problems(ParseDatasetExport(text, "", {}, nullptr).status())),
        std::pair("augment", problems(ParseAugment(text, "", {}, nullptr).status()))}) {
    if (count >= fewest) continue;
    best = kind;
    fewest = count;
  }
  return best;
}

const std::map<std::string, SsdTask>& Tasks() {
  static const auto* tasks = new std::map<std::string, SsdTask>{{"train", SsdTask::kTrain},
                                                                {"evaluate", SsdTask::kEvaluate},
                                                                {"inference", SsdTask::kInference},
                                                                {"export", SsdTask::kExport}};
  return *tasks;
}

template <typename Message>
absl::StatusOr<std::string> Canonical(absl::StatusOr<Message> message) {
  if (!message.ok()) return message.status();
  return PrintCanonical(*message);
}

absl::StatusOr<std::string> CheckSpec(const SpecFlags& flags, const std::string& text,
                                      std::vector<std::string>* warnings) {
  const std::string kind = flags.kind.empty() ? GuessKind(text) : flags.kind;
  if (kind == "dataset") {
    return Canonical(LoadDatasetExport(text, flags.path, flags.overrides, false, warnings));
  }
  if (kind == "augment") {
    return Canonical(LoadAugment(text, flags.path, flags.overrides, warnings));
  }
  return Canonical(
      LoadExperiment(text, flags.path, flags.overrides, Tasks().at(flags.task), warnings));
}

int RunSpecCheck(const SpecFlags& flags) {
  const auto text = ReadFile(flags.path, 4 << 20);
  if (!text.ok()) return PrintFailure(flags.output, text.status(), FailedAt::kUsage);
  std::vector<std::string> warnings;
  const auto canonical = CheckSpec(flags, *text, &warnings);
  for (const std::string& warning : warnings) fprintf(stderr, "warning: %s\n", warning.c_str());
  if (!canonical.ok()) {
    return PrintFailure(flags.output, canonical.status(), FailedAt::kOperation);
  }
  if (flags.print) {
    printf("%s", canonical->c_str());
  } else {
    printf("%s is valid\n", flags.path.c_str());
  }
  return 0;
}

// --- inspect

struct InspectFlags {
  std::string path, key;
};

template <typename Message>
absl::Status ParseSection(const Sections& sections, const std::string& path, const char* name,
                          Message& message) {
  const auto found = sections.find(name);
  if (found != sections.end() && message.ParseFromString(found->second)) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("engine '", path, "' has no section '", name, "' that can be read"));
}

// Reads the description alone: libs/engine would bring the runtime along.
absl::Status InspectEngine(const std::string& path) {
  TY_ASSIGN_OR_RETURN(const Sections sections, LoadSealed(path, SealedKind::kEngine, ""));
  model::v1::EngineHeader header;
  TY_RETURN_IF_ERROR(ParseSection(sections, path, "engine.header", header));
  if (header.format_version() > 1) {
    return absl::UnimplementedError(absl::StrCat(
        "engine '", path, "' is of format ", header.format_version(), "; this program reads 1"));
  }
  ModelRecord record;
  TY_RETURN_IF_ERROR(ParseSection(sections, path, "record", record));
  printf("%s: engine of %s %s, %d classes (%s)\n", path.c_str(), record.network().c_str(),
         record.arch().c_str(), record.classes_size(),
         absl::StrJoin(record.classes(), ", ").c_str());
  printf("runtime %s %s\n", header.backend().c_str(), header.backend_version().c_str());
  printf("precision %s, asked for %s, %.0f%% of the convolutions in int8\n",
         header.precision_used().c_str(), header.precision_requested().c_str(),
         100 * header.int8_mac_share());
  printf("batches of 1 to %d, %lld parameters, %.3f GMAC\n", header.max_batch_size(),
         static_cast<long long>(header.parameters()), header.macs() / 1e9);
  const auto& machine = header.hardware();
  printf("for %s %s, %s family %d model %d%s%s, with %s\n", machine.device().c_str(),
         machine.architecture().c_str(), machine.vendor().c_str(), machine.family(),
         machine.model(), machine.name().empty() ? "" : ", ", machine.name().c_str(),
         absl::StrJoin(machine.features(), " ").c_str());
  printf("from %s\n", header.source().file_name().c_str());
  return absl::OkStatus();
}

absl::Status Inspect(const std::string& path, const std::string& key_reference) {
  TY_ASSIGN_OR_RETURN(const SealedKind kind, PeekSealed(path));
  if (kind == SealedKind::kEngine) return InspectEngine(path);
  TY_ASSIGN_OR_RETURN(const service::Key key, service::ResolveKey(key_reference));
  TY_ASSIGN_OR_RETURN(const SealedModel sealed, LoadModel(path, {}, key.text));
  const Graph& graph = sealed.model.graph;
  const absl::StatusOr<int64_t> macs = graph.MacCount();
  const ModelRecord& record = sealed.model.record;
  printf("%s: %s %s, %d classes (%s)\n", path.c_str(), record.network().c_str(),
         record.arch().c_str(), record.classes_size(),
         absl::StrJoin(record.classes(), ", ").c_str());
  printf("input %dx%d, %lld parameters, %s, %zu nodes\n", record.preprocess().width(),
         record.preprocess().height(), static_cast<long long>(graph.ParameterCount()),
         macs.ok() ? absl::StrFormat("%.3f GMAC", static_cast<double>(*macs) / 1e9).c_str()
                   : "GMAC not known",
         graph.nodes().size());
  if (!macs.ok()) printf("note: %s\n", std::string(macs.status().message()).c_str());
  for (const std::string& note : graph.notes()) printf("note: %s\n", note.c_str());
  for (const auto& [name, bytes] : sealed.extra) {
    printf("section %-12s %zu bytes\n", name.c_str(), bytes.size());
  }
  for (const auto& step : record.lineage()) {
    printf("lineage: %s %s %s\n", step.stage().c_str(), step.parent_sha256().substr(0, 12).c_str(),
           step.note().c_str());
  }
  return absl::OkStatus();
}

int RunInspect(const InspectFlags& flags) {
  const auto status = Inspect(flags.path, flags.key);
  return status.ok() ? 0 : PrintFailure({}, status, FailedAt::kOperation);
}

// --- sample-data

struct SampleFlags {
  std::string folder, size = "320x240";
  int train = 400, val = 100;
  uint64_t seed = 42;
};

int RunSampleData(const SampleFlags& flags) {
  SampleDataOptions options;
  options.n_train = flags.train;
  options.n_val = flags.val;
  options.seed = flags.seed;
  if (sscanf(flags.size.c_str(), "%dx%d", &options.width, &options.height) != 2) {
    return PrintFailure({},
                        absl::InvalidArgumentError(absl::StrCat(
                            "--size is '", flags.size, "'; expected WIDTHxHEIGHT such as 320x240")),
                        FailedAt::kUsage);
  }
  const auto status = GenerateSampleData(flags.folder, options);
  return status.ok() ? 0 : PrintFailure({}, status, FailedAt::kOperation);
}

}  // namespace

void AddToolCommands(CLI::App& app, Run& run) {
  CLI::App& spec = *app.add_subcommand("spec", "work with spec files");
  spec.require_subcommand(1);
  auto spec_flags = std::make_shared<SpecFlags>();
  CLI::App& check = *spec.add_subcommand("check", "name everything that is wrong with a spec");
  check.add_option("file", spec_flags->path, "spec file")->required();
  check.add_option("--kind", spec_flags->kind, "ssd, dataset or augment (by its content)")
      ->check(CLI::IsMember({"ssd", "dataset", "augment"}));
  check.add_option("--task", spec_flags->task, "train, evaluate, inference or export (train)")
      ->check(CLI::IsMember(Tasks()));
  check.add_option("--set", spec_flags->overrides, "change the spec: path=value (repeatable)");
  check.add_flag("--print", spec_flags->print, "print the spec with defaults applied");
  check.add_flag("--json", spec_flags->output.json, "errors as JSON");
  WhenTyped(check, run, spec_flags, RunSpecCheck);

  auto inspect_flags = std::make_shared<InspectFlags>();
  CLI::App& inspect = *app.add_subcommand("inspect", "say what a .tlt, .etlt or .engine holds");
  inspect.add_option("file", inspect_flags->path, "model file")->required();
  inspect.add_option("-k,--key", inspect_flags->key, "key: env:NAME, file:PATH or the key");
  WhenTyped(inspect, run, inspect_flags, RunInspect);

  auto sample_flags = std::make_shared<SampleFlags>();
  CLI::App& sample =
      *app.add_subcommand("sample-data", "make a labelled KITTI data set to try with");
  sample.add_option("folder", sample_flags->folder, "folder to write")->required();
  sample.add_option("--train", sample_flags->train, "training images (400)");
  sample.add_option("--val", sample_flags->val, "validation images (100)");
  sample.add_option("--size", sample_flags->size, "WIDTHxHEIGHT (320x240)");
  sample.add_option("--seed", sample_flags->seed, "other numbers, other pictures (42)");
  WhenTyped(sample, run, sample_flags, RunSampleData);
}

}  // namespace trainyard::cli
