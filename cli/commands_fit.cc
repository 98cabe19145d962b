#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/commands.h"
#include "cli/display.h"
#include "cli/house.h"
#include "cli/models_folder.h"
#include "cli/run_command.h"
#include "cli/session.h"
#include "cli/stage_command.h"
#include "google/protobuf/struct.pb.h"
#include "libs/base/files.h"
#include "libs/base/key_reference.h"
#include "libs/base/paths.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/base/utf8.h"
#include "libs/base/writes.h"
#include "libs/networks/fit_rules.h"
#include "libs/networks/registry.h"
#include "libs/pretrained/store.h"
#include "libs/service/client.h"
#include "libs/service/threads.h"
#include "libs/worker/rpc_status.h"
#include "libs/worker/run_alone.h"
#include "trainyard/v1/capabilities.grpc.pb.h"
#include "trainyard/v1/orchestrator.grpc.pb.h"

namespace trainyard::cli {
namespace {

using worker::v1::DataProfile;

constexpr char kKeyVariable[] = "TRAINYARD_KEY", kKeyFile[] = "model.key";
constexpr char kState[] = ".trainyard";
/// What is planned for when the time is over before the training begins.
constexpr double kLeastMinutes = 0.1;
/// Of a key that is made here, in 32 bits each.
constexpr int kKeyWords = 4;

struct Flags {
  OutputOptions output;
  std::string data, folder = "fit", network, key, start, store;
  double minutes = 30, remove = 0;
  uint64_t seed = 42;
  int threads = 0;
  bool plan_only = false, strict = false;
};

// --- what is known before there is a plan

absl::StatusOr<DataProfile> Profile(const Flags& flags, const std::string& folder) {
  worker::WorkerJob job;
  job.set_threads(flags.threads > 0 ? flags.threads : service::ThreadBudget());
  auto& task = *job.mutable_profile();
  task.set_data(CanonicalPath(flags.data));
  task.set_output(JoinPath(folder, "data"));
  task.set_validation_share(networks::kFitRules.validation_share);
  task.set_random_seed(flags.seed);
  task.set_most_compared(networks::kFitRules.most_compared);
  task.set_probe_pictures(networks::kFitRules.probe_pictures);
  task.set_most_objects(networks::kFitRules.most_objects);
  task.set_strict(flags.strict);
  const auto finished = worker::RunAlone("trainyard-stage-worker", std::move(job), "");
  if (worker::ReasonOf(finished.status()) == "WORKER_CRASHED") {
    return Annotate(finished.status(), absl::StrCat("while looking through '", flags.data, "'"));
  }
  TY_RETURN_IF_ERROR(finished.status());
  return finished->profile();
}

// What the pipelines name as their key: what was given, else the usual variable, else a file that is made.
absl::StatusOr<std::string> KeyFor(const Flags& flags, const std::string& folder) {
  if (!flags.key.empty()) return flags.key;
  const char* variable = getenv(kKeyVariable);
  if (variable != nullptr && *variable != '\0') return absl::StrCat("env:", kKeyVariable);
  const std::string path = JoinPath(folder, kKeyFile);
  if (!FileExists(path)) {
    std::random_device random;
    std::string key;
    for (int i = 0; i < kKeyWords; ++i) absl::StrAppendFormat(&key, "%08x", random());
    // Nobody else may read it at any time.
    const std::string making = path + ".new";
    TY_RETURN_IF_ERROR(RemoveTree(making));
    TY_RETURN_IF_ERROR(MakePrivateFile(making));
    TY_RETURN_IF_ERROR(AppendToFile(making, key + "\n"));
    TY_RETURN_IF_ERROR(RenameSynced(making, path));
  }
  return absl::StrCat("file:", path);
}

absl::Status FindStart(const Flags& flags, networks::FitLimits* limits) {
  if (flags.start.empty()) return absl::OkStatus();
  const pretrained::ModelStore store(ModelsFolder(flags.store));
  TY_ASSIGN_OR_RETURN(const pretrained::ListedModel found, store.Find(flags.start));
  TY_RETURN_IF_ERROR(found.problem);
  if (!found.stored.has_value()) {
    return absl::FailedPreconditionError(
        absl::StrCat("--start '", flags.start, "' is not here; `trainyard models get ", flags.start,
                     "` fetches it"));
  }
  limits->start_model = CanonicalPath(store.Path(flags.start));
  limits->start_arch = found.model.backbone();
  return absl::OkStatus();
}

absl::StatusOr<bool> HasGpu(House& house) {
  TY_ASSIGN_OR_RETURN(const auto channel, house.Channel("train"));
  const auto stub = v1::CapabilitiesService::NewStub(channel);
  TY_ASSIGN_OR_RETURN(const v1::GetCapabilitiesResponse offered,
                      service::Call(*stub, &v1::CapabilitiesService::Stub::GetCapabilities,
                                    v1::GetCapabilitiesRequest()));
  for (const std::string& device : offered.devices()) {
    if (absl::StartsWith(device, "cuda")) return true;
  }
  return false;
}

// Where the files go: a name that specs and pipelines can hold as it is.
absl::StatusOr<std::string> FolderFor(const Flags& flags) {
  const std::string folder = CanonicalPath(flags.folder);
  if (!IsUtf8(folder) || absl::StrContains(folder, "${") || absl::StrContains(folder, "\n")) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--out is '", Shown(folder), "'; expected a path in UTF-8 without '${', for specs hold it"));
  }
  TY_RETURN_IF_ERROR(MakeFolders(folder));
  return folder;
}

// --- plans

std::string ChoicesText(const networks::FitPlan& plan) {
  std::string text;
  for (const networks::FitChoice& choice : plan.choices) {
    absl::StrAppend(&text, choice.what, ": ", choice.value, "\n    ", choice.reason, "\n");
  }
  // Reasons have names of classes, which are whatever the label files hold.
  return Printable(text);
}

absl::Status WritePlan(const networks::FitPlan& plan, const std::string& folder) {
  std::map<std::string, std::string> files = plan.files;
  files["choices.txt"] = ChoicesText(plan);
  for (const auto& [name, text] : files) {
    const std::string path = JoinPath(folder, name);
    TY_RETURN_IF_ERROR(MakeFolders(DirName(path)));
    TY_RETURN_IF_ERROR(WriteFileAtomically(path, text));
  }
  return absl::OkStatus();
}

void PrintChoices(const OutputOptions& output, const networks::FitPlan& plan) {
  for (const networks::FitChoice& choice : plan.choices) {
    if (!output.json) continue;
    google::protobuf::Struct line;
    auto& members = *line.mutable_fields();
    members["what"].set_string_value(choice.what);
    members["value"].set_string_value(choice.value);
    members["reason"].set_string_value(choice.reason);
    PrintJson(line);
  }
  if (!output.json) printf("%s", ChoicesText(plan).c_str());
  fflush(stdout);
  for (const std::string& warning : plan.warnings) {
    fprintf(stderr, "trainyard: warning: %s\n", Printable(warning).c_str());
  }
}

void PrintProfile(const OutputOptions& output, const DataProfile& profile) {
  for (const std::string& note : profile.notes()) {
    fprintf(stderr, "note: %s\n", Printable(note).c_str());
  }
  if (output.json) return;
  std::vector<std::string> classes;
  for (const auto& one : profile.classes()) {
    classes.push_back(absl::StrCat(one.name(), " (", one.objects(), ")"));
  }
  printf("data: %s, %d pictures to train on, %d to choose by, %d to judge by; %d near duplicates kept "
         "together\nclasses: %s\n",
         profile.format().c_str(), static_cast<int>(profile.training().pictures()),
         static_cast<int>(profile.validation().pictures()),
         static_cast<int>(profile.test().pictures()), static_cast<int>(profile.near_duplicates()),
         Printable(absl::StrJoin(classes, ", ")).c_str());
}

// --- runs

// What goes through the orchestrator of this process.
class Runner {
 public:
  Runner(const Flags& flags, const std::string& folder, std::string key)
      : key_(std::move(key)),
        house_({.threads = flags.threads, .state_dir = JoinPath(folder, kState)}) {}

  House& house() { return house_; }

  absl::StatusOr<v1::Run> Start(const std::string& pipeline) {
    TY_ASSIGN_OR_RETURN(v1::StartRunRequest request, RunRequestOf(pipeline));
    request.set_key(key_);
    TY_ASSIGN_OR_RETURN(const auto channel, house_.Channel("orchestrator"));
    stub_ = v1::OrchestratorService::NewStub(channel);
    TY_ASSIGN_OR_RETURN(const v1::StartRunResponse started,
                        service::Call(*stub_, &v1::OrchestratorService::Stub::StartRun, request,
                                      kStart));
    return started.run();
  }

  v1::OrchestratorService::Stub& stub() { return *stub_; }

 private:
  const std::string key_;
  House house_;
  std::unique_ptr<v1::OrchestratorService::Stub> stub_;
};

// --- the command

class Fit {
 public:
  explicit Fit(const Flags& flags) : flags_(flags), began_(absl::Now()) {}

  int Run() {
    const absl::Status usage = TakeFlags();
    if (!usage.ok()) return PrintFailure(flags_.output, usage, FailedAt::kUsage);
    const absl::Status planned = MakePlan();
    if (!planned.ok()) return PrintFailure(flags_.output, planned, FailedAt::kOperation);
    if (exit_code_ != 0) return exit_code_;
    PrintChoices(flags_.output, plan_);
    const std::string pipeline = JoinPath(folder_, plan_.pipeline);
    if (!flags_.output.json) {
      printf("%s: by hand, `trainyard run %s --state-dir %s%s`\n", pipeline.c_str(), pipeline.c_str(),
             JoinPath(folder_, kState).c_str(), limits_.key.empty() ? " -k KEY" : "");
      fflush(stdout);
    }
    if (flags_.plan_only) return 0;
    const auto started = runner_->Start(pipeline);
    if (!started.ok()) return PrintFailure(flags_.output, started.status(), FailedAt::kCall);
    return FollowRun(flags_.output, "", runner_->stub(), *started);
  }

 private:
  absl::Status TakeFlags() {
    TY_ASSIGN_OR_RETURN(family_, networks::FindNetwork(flags_.network));
    // Without rules there are none for any data: said before the pictures are looked through.
    const absl::Status rules = family_->Fit({}, {}).status();
    if (absl::IsUnimplemented(rules)) return rules;
    TY_ASSIGN_OR_RETURN(folder_, FolderFor(flags_));
    limits_ = {.minutes = flags_.minutes,
               .threads = flags_.threads > 0 ? flags_.threads : service::ThreadBudget(),
               .remove = flags_.remove,
               .random_seed = flags_.seed,
               .folder = folder_};
    return FindStart(flags_, &limits_);
  }

  // Twice: by the rules' own figures, and by the rate that the probe measures with the first plan.
  absl::Status MakePlan() {
    TY_ASSIGN_OR_RETURN(profile_, Profile(flags_, folder_));
    PrintProfile(flags_.output, profile_);
    TY_ASSIGN_OR_RETURN(const std::string key, KeyFor(flags_, folder_));
    if (IsKeyReference(key)) limits_.key = key;
    runner_ = std::make_unique<Runner>(flags_, folder_, key);
    TY_ASSIGN_OR_RETURN(limits_.has_gpu, HasGpu(runner_->house()));
    TY_RETURN_IF_ERROR(Plan());
    if (flags_.plan_only) return absl::OkStatus();
    TY_ASSIGN_OR_RETURN(const double rate, ProbeRate());
    if (exit_code_ != 0) return absl::OkStatus();
    limits_.macs_per_second = rate * plan_.macs_per_picture;
    limits_.minutes =
        std::max(kLeastMinutes, flags_.minutes - absl::ToDoubleMinutes(absl::Now() - began_));
    return Plan();
  }

  absl::Status Plan() {
    TY_ASSIGN_OR_RETURN(plan_, family_->Fit(profile_, limits_));
    return WritePlan(plan_, folder_);
  }

  // Pictures a second of a training; sets the exit code when a Ctrl-C came.
  absl::StatusOr<double> ProbeRate() {
    TY_ASSIGN_OR_RETURN(const v1::Run started, runner_->Start(JoinPath(folder_, plan_.probe)));
    // Its end is no result, so that it is not printed as one.
    const OutputOptions quietly{.json = false, .quiet = true};
    TY_ASSIGN_OR_RETURN(const FollowedRun followed,
                        FollowToTheEnd(flags_.output.json ? quietly : flags_.output, "",
                                       runner_->stub(), started));
    exit_code_ = followed.exit_code;
    if (exit_code_ != 0) return 0.0;
    TY_RETURN_IF_ERROR(Annotate(worker::StatusFromRpc(followed.run.error()), "the probe"));
    for (const v1::Run::Stage& stage : followed.run.stages()) {
      for (const v1::Metric& metric : stage.metrics()) {
        if (metric.name() == "images_per_second" && metric.value() > 0) return metric.value();
      }
    }
    return absl::InternalError("the probe told no images_per_second");
  }

  const Flags& flags_;
  const absl::Time began_;
  const networks::NetworkFamily* family_ = nullptr;
  std::string folder_;
  networks::FitLimits limits_;
  DataProfile profile_;
  std::unique_ptr<Runner> runner_;
  networks::FitPlan plan_;
  int exit_code_ = 0;
};

int RunFit(const Flags& flags) { return Fit(flags).Run(); }

}  // namespace

void AddFitCommand(CLI::App& app, Run& run) {
  auto flags = std::make_shared<Flags>();
  flags->network = networks::DefaultNetwork();
  CLI::App& fit = *app.add_subcommand("fit", "choose and train a first model for a data set");
  fit.add_option("data", flags->data, "folder of labelled pictures")->required();
  fit.add_option("-o,--out", flags->folder, "folder for specs, pipeline and results (fit)");
  fit.add_option("--minutes", flags->minutes, "time for all of it (30)")->check(CLI::PositiveNumber);
  fit.add_option("--start", flags->start, "a model of `trainyard models` to start from");
  fit.add_option("--store", flags->store, "folder of those models ($TRAINYARD_MODELS, else models)");
  fit.add_option("--remove", flags->remove, "part of the weights that pruning removes (0: none)")
      ->check(CLI::Range(0.0, 0.95));
  fit.add_option("--network", flags->network,
                 absl::StrCat("one of ", absl::StrJoin(networks::NetworkNames(), ", ")));
  fit.add_option("--seed", flags->seed, "of the split and the training (42)")
      ->check(CLI::Range(uint64_t{0}, uint64_t{0xFFFFFFFF}));
  fit.add_option("-k,--key", flags->key,
                 "key of sealed models: env:NAME, file:PATH or the key (env:TRAINYARD_KEY, else a file "
                 "that is made in the folder)");
  fit.add_option("--threads", flags->threads, "threads (all that the CPU quota allows)")
      ->check(CLI::PositiveNumber);
  fit.add_flag("--strict", flags->strict, "a label or picture that cannot be used is an error");
  fit.add_flag("--dry-run", flags->plan_only, "choose and write the files, train nothing");
  fit.add_flag("--json", flags->output.json, "choices, then the run, a JSON object a line");
  fit.add_flag("-q,--quiet", flags->output.quiet, "no progress");
  WhenTyped(fit, run, flags, RunFit);
}

}  // namespace trainyard::cli
