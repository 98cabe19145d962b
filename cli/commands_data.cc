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
#include "google/protobuf/struct.pb.h"
#include "libs/base/status.h"
#include "libs/worker/rpc_status.h"
#include "libs/worker/run_alone.h"

namespace trainyard::cli {
namespace {

struct InspectFlags {
  OutputOptions output_form;
  std::string folder, format;
  int threads = 1;
};

struct ConvertFlags : InspectFlags {
  std::string to, output, part;
  bool strict = false;
  float val_split = 20;
  uint32_t num_shards = 10;
  uint64_t seed = 42;
};

std::string AbsolutePath(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

// What the worker says of fields, in the words of flags.
absl::Status InWords(const absl::Status& status) {
  return InFlagWords(status, {{"name the format that is meant", "say which with --format"},
                              {"; name one", "; choose one with --part"},
                              {"val_split", "--val-split"}});
}

// A worker reads what users give, so that a file that ends the reader ends in a message.
absl::StatusOr<worker::v1::Finished> RunWorker(worker::WorkerJob job, const std::string& folder) {
  auto finished = worker::RunAlone("trainyard-stage-worker", std::move(job), "");
  if (worker::ReasonOf(finished.status()) != "WORKER_CRASHED") return finished;
  return Annotate(finished.status(), absl::StrCat("while reading '", folder, "'"));
}

int RunInspect(const InspectFlags& flags) {
  worker::WorkerJob job;
  job.set_threads(flags.threads);
  auto& task = *job.mutable_inspect_data();
  task.set_folder(AbsolutePath(flags.folder));
  task.set_shown(flags.folder);
  task.set_format(flags.format);
  const auto finished = RunWorker(std::move(job), flags.folder);
  if (!finished.ok())
    return PrintFailure(flags.output_form, InWords(finished.status()), FailedAt::kOperation);
  if (flags.output_form.json) {
    PrintJson(finished->data_set());
  } else {
    for (const std::string& line : finished->notes()) printf("%s\n", line.c_str());
  }
  return 0;
}

int RunConvert(const ConvertFlags& flags) {
  worker::WorkerJob job;
  job.set_threads(flags.threads);
  auto& task = *job.mutable_convert_data();
  task.set_folder(AbsolutePath(flags.folder));
  task.set_shown(flags.folder);
  task.set_format(flags.format);
  task.set_part(flags.part);
  task.set_to(flags.to);
  task.set_output(AbsolutePath(flags.output));
  task.set_strict(flags.strict);
  task.set_val_split(flags.val_split);
  task.set_num_shards(flags.num_shards);
  task.set_random_seed(flags.seed);
  const auto finished = RunWorker(std::move(job), flags.folder);
  if (!finished.ok()) {
    return PrintFailure(flags.output_form, InWords(finished.status()), FailedAt::kOperation);
  }
  if (flags.output_form.json) {
    google::protobuf::Struct made;
    auto& fields = *made.mutable_fields();
    fields["output"].set_string_value(flags.output);
    fields["format"].set_string_value(flags.to);
    auto& notes = *fields["notes"].mutable_list_value();
    for (const std::string& note : finished->notes()) notes.add_values()->set_string_value(note);
    PrintJson(made);
  } else {
    for (const std::string& line : finished->notes()) printf("%s\n", line.c_str());
  }
  return 0;
}

void AddSetFlags(CLI::App& command, InspectFlags& flags) {
  command.add_option("folder", flags.folder, "folder of the set")->required();
  command.add_option("--format", flags.format, "kitti, coco, voc or yolo (as it looks)")
      ->check(CLI::IsMember(std::vector<std::string>{"kitti", "coco", "voc", "yolo"}));
  command.add_option("--threads", flags.threads, "threads that look pictures through (1)")
      ->check(CLI::Range(1, 256));
  command.add_flag("--json", flags.output_form.json, "what is told as JSON");
}

void AddConvert(CLI::App& data, Run& run) {
  auto flags = std::make_shared<ConvertFlags>();
  CLI::App& convert =
      *data.add_subcommand("convert", "write a set, or a part of it, in another format");
  AddSetFlags(convert, *flags);
  convert.add_option("--to", flags->to, "kitti, coco or tfrecord")
      ->required()
      ->check(CLI::IsMember(std::vector<std::string>{"kitti", "coco", "tfrecord"}));
  convert
      .add_option("-o,--output", flags->output,
                  "folder to write; of tfrecord the path prefix of the shards")
      ->required();
  convert.add_option("--part", flags->part, "the part to convert, of a set that has several");
  convert.add_flag("--strict", flags->strict, "stop at the first refused label");
  convert.add_option("--val-split", flags->val_split, "of tfrecord: per cent for validation (20)")
      ->check(CLI::Range(0.0f, 100.0f));
  convert.add_option("--num-shards", flags->num_shards, "of tfrecord: shards of a fold (10)")
      ->check(CLI::Range(1, 20));
  convert
      .add_option("--random-seed,--random_seed", flags->seed,
                  "of tfrecord: seed of the partition (42)")
      ->check(CLI::NonNegativeNumber);
  WhenTyped(convert, run, flags, RunConvert);
}

}  // namespace

void AddDataCommands(CLI::App& app, Run& run) {
  CLI::App& data = *app.add_subcommand("data", "work with labelled sets of pictures");
  data.require_subcommand(1);
  auto flags = std::make_shared<InspectFlags>();
  CLI::App& inspect = *data.add_subcommand(
      "inspect", "say which format a folder is, what it holds and what is wrong with it");
  AddSetFlags(inspect, *flags);
  WhenTyped(inspect, run, flags, RunInspect);
  AddConvert(data, run);
  AddDataCheckCommand(data, run);
}

}  // namespace trainyard::cli
