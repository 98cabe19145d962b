// evaluate and inference: of a checkpoint or export by the train service, of an engine by
// convert-engine.
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/network/sub_task.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "trainyard/v1/convert_engine.pb.h"
#include "trainyard/v1/train.pb.h"

namespace trainyard::cli::network {
namespace {

struct JudgeFlags : SubTask {
  std::string device;
  std::optional<int> gpu_index;
};

bool IsEngine(const SubTask& task) { return absl::EndsWith(task.model, ".engine"); }

// The options of engines have no device. TAO's scripts say --gpu_index 0 for them, too.
template <typename Options>
absl::Status SetDevice(const JudgeFlags& flags, Options& options) {
  if constexpr (requires { options.set_device(flags.device); }) {
    options.set_device(flags.device);
    if (flags.gpu_index.has_value()) options.set_gpu_index(*flags.gpu_index);
  } else if (flags.device == "cuda" || flags.gpu_index.value_or(0) != 0) {
    return absl::UnimplementedError(
        absl::StrCat("--device cuda and --gpu_index are for .tlt and .etlt; '", flags.model,
                     "' runs on the device that it was built for"));
  }
  return absl::OkStatus();
}

// TAO's `-m` is not required where the spec may name the model.
void AddJudgeFlags(CLI::App& command, JudgeFlags& flags, bool needs_model) {
  AddSpec(command, flags)->required();
  flags.session.words.insert({{"stage.inputs[model]", "-m"},
                              {"options.device", "--device"},
                              {"options.gpu_index", "--gpu_index"}});
  command.add_option("-m,--model,--model_path", flags.model, ".tlt, .etlt or .engine")
      ->required(needs_model);
  command.add_option("--gpu_index", flags.gpu_index, "which GPU (0)");
  command.add_option("--device", flags.device, "auto, cpu or cuda");
}

// --- evaluate

struct EvaluateFlags : JudgeFlags {
  std::string matching;
  bool strict = false;
};

template <typename Request>
absl::StatusOr<Request> EvaluateRequestOf(const EvaluateFlags& flags) {
  Request request;
  v1::StageInput& stage = *request.mutable_stage();
  TY_ASSIGN_OR_RETURN(stage, StageOf(flags));
  AddInput(stage, "model", flags.model);
  AddOutput(stage, "results", flags.results_dir);
  request.mutable_options()->set_matching(flags.matching);
  request.mutable_options()->set_strict(flags.strict);
  TY_RETURN_IF_ERROR(SetDevice(flags, *request.mutable_options()));
  return request;
}

int RunEvaluate(const EvaluateFlags& flags) {
  if (IsEngine(flags)) {
    return Send(flags, EvaluateRequestOf<v1::EvaluateEngineRequest>(flags));
  }
  return Send(flags, EvaluateRequestOf<v1::EvaluateRequest>(flags));
}

// --- inference

struct InferenceFlags : JudgeFlags {
  std::string images, annotated, labels;
  std::optional<double> threshold;
  std::string class_map;
  int batch_size = 0;
};

// The folder that was named for this output, or its place in --results_dir.
std::string OutputFolder(const InferenceFlags& flags, const std::string& named, const char* name) {
  return named.empty() && !flags.results_dir.empty() ? JoinPath(flags.results_dir, name) : named;
}

template <typename Request>
absl::StatusOr<Request> InferRequestOf(const InferenceFlags& flags) {
  Request request;
  v1::StageInput& stage = *request.mutable_stage();
  TY_ASSIGN_OR_RETURN(stage, StageOf(flags));
  AddInput(stage, "model", flags.model);
  AddInput(stage, "images", flags.images);
  AddOutput(stage, "images", OutputFolder(flags, flags.annotated, "images_annotated"));
  AddOutput(stage, "labels", OutputFolder(flags, flags.labels, "labels"));
  if (flags.threshold.has_value()) request.mutable_options()->set_threshold(*flags.threshold);
  TY_RETURN_IF_ERROR(SetDevice(flags, *request.mutable_options()));
  return request;
}

int RunInference(const InferenceFlags& flags) {
  if (IsEngine(flags)) {
    return Send(flags, InferRequestOf<v1::InferEngineRequest>(flags));
  }
  return Send(flags, InferRequestOf<v1::InferRequest>(flags));
}

}  // namespace

void AddEvaluate(CLI::App& network, Run& run) {
  auto flags = std::make_shared<EvaluateFlags>();
  CLI::App& command =
      *network.add_subcommand("evaluate", "measure the accuracy of a model or engine");
  AddJudgeFlags(command, *flags, /*needs_model=*/false);
  command.add_option("-r,--results_dir", flags->results_dir, "folder for results.json and curves");
  command.add_option("--matching", flags->matching, "of detections: tao, voc or coco");
  command.add_flag("--strict", flags->strict, "stop at the first refused label");
  flags->session.words.insert(
      {{"stage.outputs[results]", "-r"}, {"options.matching", "--matching"}});
  AddSubTaskFlags(command, *flags);
  WhenTyped(command, run, flags, RunEvaluate);
}

void AddInference(CLI::App& network, Run& run) {
  auto flags = std::make_shared<InferenceFlags>();
  CLI::App& command = *network.add_subcommand("inference", "predict what images show");
  AddJudgeFlags(command, *flags, /*needs_model=*/true);
  command.add_option("-i,-d,--in_image_dir,--image_dir,--image", flags->images, "folder or image")->required();
  command.add_option("-o,--out_image_dir", flags->annotated, "folder for annotated images");
  command.add_option("-l,--out_label_dir", flags->labels, "folder for label files or result.csv");
  command.add_option("-r,--results_dir", flags->results_dir,
                     "folder that gets images_annotated/ and labels/");
  command.add_option("-t,--threshold", flags->threshold, "lowest score (0.3 for detections)");
  command.add_option("-b,--batch_size", flags->batch_size, "accepted for TAO; no effect");
  command.add_option("--classmap,--class_map", flags->class_map,
                     "-cm: accepted for TAO; the model has its classes");
  flags->session.words.insert(
      {{"stage.inputs[images]", "-i"},
       {"stage.outputs[images]", "-o"},
       {"stage.outputs[labels]", "-l"},
       {"stage.outputs is empty; name 'images' or 'labels', or nothing is written",
        "none of -o, -l and -r is given; nothing would be written"},
       {"options.threshold", "-t"}});
  AddSubTaskFlags(command, *flags);
  WhenTyped(command, run, flags, RunInference);
}

}  // namespace trainyard::cli::network
