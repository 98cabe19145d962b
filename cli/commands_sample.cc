#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/commands.h"
#include "cli/display.h"
#include "cli/flag_words.h"
#include "cli/session.h"
#include "google/protobuf/struct.pb.h"
#include "libs/data/sample_classification.h"
#include "libs/data/sample_data.h"

namespace trainyard::cli {
namespace {

constexpr char kDetection[] = "detection", kClassification[] = "classification";

// What is not given is the task's own default.
struct SampleFlags {
  OutputOptions output;
  std::string folder, task = kDetection;
  std::optional<std::string> size;
  std::optional<int> train, val, test;
  uint64_t seed = 42;
};

// Pictures of each part of a set, in the order in which they are told.
using Counts = std::vector<std::pair<std::string, int>>;

absl::Status WrongUsage(const std::string& text) { return absl::InvalidArgumentError(text); }

// Sets what flags say of options that both tasks have.
template <typename Options>
absl::Status TakeFlags(const SampleFlags& flags, Options* options) {
  options->n_train = flags.train.value_or(options->n_train);
  options->n_val = flags.val.value_or(options->n_val);
  options->seed = flags.seed;
  if (!flags.size.has_value()) return absl::OkStatus();
  const std::vector<std::string> sides = absl::StrSplit(*flags.size, 'x');
  if (sides.size() == 2 && absl::SimpleAtoi(sides[0], &options->width) &&
      absl::SimpleAtoi(sides[1], &options->height)) {
    return absl::OkStatus();
  }
  return WrongUsage(
      absl::StrCat("--size is '", *flags.size, "'; expected WIDTHxHEIGHT such as 320x240"));
}

int Told(const SampleFlags& flags, const absl::Status& status, const Counts& counts) {
  const absl::Status said = InFlagWords(status, {{"n_train and n_val are", "--train and --val are"},
                                                 {"n_train is", "--train is"},
                                                 {"n_val is", "--val is"},
                                                 {"n_test is", "--test is"},
                                                 {"width is", "the width of --size is"},
                                                 {"height is", "the height of --size is"}});
  if (!said.ok()) return PrintFailure(flags.output, said, FailedAt::kOperation);
  if (!flags.output.json) return 0;
  google::protobuf::Struct made;
  auto& fields = *made.mutable_fields();
  fields["folder"].set_string_value(flags.folder);
  fields["task"].set_string_value(flags.task);
  for (const auto& [part, count] : counts) fields[part].set_number_value(count);
  PrintJson(made);
  return 0;
}

int RunDetection(const SampleFlags& flags) {
  data::SampleDataOptions options;
  absl::Status usage = TakeFlags(flags, &options);
  if (usage.ok() && flags.test.has_value()) {
    usage = WrongUsage("--test goes with --task classification; detection has train and val");
  }
  if (!usage.ok()) return PrintFailure(flags.output, usage, FailedAt::kUsage);
  return Told(flags, data::GenerateSampleData(flags.folder, options),
              {{"train", options.n_train}, {"val", options.n_val}});
}

int RunClassification(const SampleFlags& flags) {
  data::SampleClassificationOptions options;
  options.n_test = flags.test.value_or(options.n_test);
  const absl::Status usage = TakeFlags(flags, &options);
  if (!usage.ok()) return PrintFailure(flags.output, usage, FailedAt::kUsage);
  return Told(flags, data::GenerateSampleClassification(flags.folder, options),
              {{"train", options.n_train}, {"val", options.n_val}, {"test", options.n_test}});
}

int RunSampleData(const SampleFlags& flags) {
  return flags.task == kClassification ? RunClassification(flags) : RunDetection(flags);
}

}  // namespace

void AddSampleDataCommand(CLI::App& app, Run& run) {
  auto flags = std::make_shared<SampleFlags>();
  CLI::App& sample = *app.add_subcommand("sample-data", "make a labelled data set to try with");
  sample.add_option("folder,-o,--output", flags->folder, "folder to write")->required();
  sample
      .add_option(
          "--task", flags->task,
          "detection (KITTI labels) or classification (a folder for each class) (detection)")
      ->check(CLI::IsMember({kDetection, kClassification}));
  sample.add_option("--train", flags->train, "training images (400; classification 3000)");
  sample.add_option("--val", flags->val, "validation images (100; classification 200)");
  sample.add_option("--test", flags->test, "test images; for classification (200)");
  sample.add_option("--size", flags->size, "WIDTHxHEIGHT (320x240; classification 96x96)");
  sample.add_option("--seed", flags->seed, "other numbers, other pictures (42)")
      ->check(CLI::NonNegativeNumber);
  sample.add_flag("--json", flags->output.json, "what was made as JSON");
  WhenTyped(sample, run, flags, RunSampleData);
}

}  // namespace trainyard::cli
