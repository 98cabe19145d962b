#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/display.h"
#include "cli/flag_words.h"
#include "cli/session.h"
#include "libs/base/status.h"
#include "libs/worker/rpc_status.h"
#include "libs/worker/run_alone.h"

namespace trainyard::cli {
namespace {

struct InspectFlags {
  OutputOptions output;
  std::string folder, format;
  int threads = 1;
};

// A worker reads what users give, so that a file that ends the reader ends in a message.
absl::StatusOr<worker::v1::Finished> RunWorker(worker::WorkerJob job, const std::string& folder) {
  auto finished = worker::RunAlone("trainyard-stage-worker", std::move(job), "");
  if (ReasonOf(finished.status()) != "WORKER_CRASHED") return finished;
  return Annotate(finished.status(), absl::StrCat("while reading '", folder, "'"));
}

int RunInspect(const InspectFlags& flags) {
  worker::WorkerJob job;
  job.set_threads(flags.threads);
  auto& task = *job.mutable_inspect_data();
  task.set_folder(std::filesystem::absolute(flags.folder).lexically_normal().string());
  task.set_shown(flags.folder);
  task.set_format(flags.format);
  const auto finished = RunWorker(std::move(job), flags.folder);
  if (!finished.ok()) return PrintFailure(flags.output, finished.status(), FailedAt::kOperation);
  if (flags.output.json) {
    PrintJson(finished->data_set());
  } else {
    for (const std::string& line : finished->notes()) printf("%s\n", line.c_str());
  }
  return 0;
}

}  // namespace

void AddDataCommands(CLI::App& app, Run& run) {
  CLI::App& data = *app.add_subcommand("data", "work with labelled sets of pictures");
  data.require_subcommand(1);
  auto flags = std::make_shared<InspectFlags>();
  CLI::App& inspect = *data.add_subcommand(
      "inspect", "say which format a folder is, what it holds and what is wrong with it");
  inspect.add_option("folder", flags->folder, "folder of the set")->required();
  inspect.add_option("--format", flags->format, "kitti, coco, voc or yolo (as it looks)")
      ->check(CLI::IsMember(std::vector<std::string>{"kitti", "coco", "voc", "yolo"}));
  inspect.add_option("--threads", flags->threads, "threads that look pictures through (1)")
      ->check(CLI::Range(1, 256));
  inspect.add_flag("--json", flags->output.json, "what is told as JSON");
  WhenTyped(inspect, run, flags, RunInspect);
  AddDataCheckCommand(data, run);
}

}  // namespace trainyard::cli
