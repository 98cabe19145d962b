#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/network/sub_task.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "trainyard/v1/export.pb.h"

namespace trainyard::cli::network {
namespace {

struct Flags : SubTask {
  std::string output, data_type, cal_images, cal_data, cal_cache, cal_json, engine_file, onnx,
      class_map;
  int batches = 10, batch_size = 16, max_batch_size = 1, static_batch_size = -1, opset = 12;
  int min_batch_size = 1, opt_batch_size = 1, gpu_index = 0;
  int64_t workspace_bytes = 0;
  bool gen_ds_config = false, force_ptq = false, strict_types = false, force = false;
};

absl::Status CheckOffered(const Flags& flags) {
  const auto not_offered = [](absl::string_view flag, absl::string_view why) {
    return absl::UnimplementedError(absl::StrCat(flag, " is not offered yet: ", why));
  };
  if (!flags.cal_json.empty()) return not_offered("--cal_json_file", "it belongs to QAT models");
  if (!flags.cal_data.empty()) {
    return not_offered("--cal_data_file", "calibrate with --cal_image_dir");
  }
  if (!flags.engine_file.empty()) {
    return not_offered("--engine_file", "build the engine with: trainyard converter");
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::ExportRequest> RequestOf(const Flags& flags) {
  TY_RETURN_IF_ERROR(CheckOffered(flags));
  v1::ExportRequest request;
  v1::StageInput& stage = *request.mutable_stage();
  TY_ASSIGN_OR_RETURN(stage, StageOf(flags));
  // TAO's default name.
  const std::string output =
      flags.output.empty() ? absl::StrCat("./", Stem(flags.model), ".etlt") : flags.output;
  AddInput(stage, "model", flags.model);
  AddInput(stage, "cal_images", flags.cal_images);
  AddOutput(stage, "model", output);
  AddOutput(stage, "onnx", flags.onnx);
  AddOutput(stage, "calibration", flags.cal_cache);
  if (flags.gen_ds_config) AddOutput(stage, "ds_config", DirName(output));
  v1::ExportOptions& options = *request.mutable_options();
  options.set_data_type(flags.data_type);
  options.set_batches(flags.batches);
  options.set_batch_size(flags.batch_size);
  options.set_force(flags.force);
  return request;
}

int RunExport(const Flags& flags) { return Send(flags, RequestOf(flags)); }

}  // namespace

void AddExport(CLI::App& network, Run& run) {
  auto flags = std::make_shared<Flags>();
  CLI::App& command =
      *network.add_subcommand("export", "turn a checkpoint into an inference model");
  command.add_option("-m,--model,--model_path", flags->model, ".tlt to export")->required();
  AddSpec(command, *flags);
  command.add_option("-o,--output_file", flags->output, ".etlt to write, or plain .onnx (./<model>.etlt)");
  command.add_option("--onnx", flags->onnx, "also write a plain ONNX file");
  command.add_option("--data_type", flags->data_type, "fp32, fp16 or int8 (fp32)");
  command.add_option("--cal_image_dir", flags->cal_images, "images that INT8 is calibrated on");
  command.add_option("--cal_cache_file", flags->cal_cache, "calibration table: read if there, else written");
  command.add_option("--cal_data_file", flags->cal_data, "not offered yet");
  command.add_option("--cal_json_file", flags->cal_json, "not offered yet");
  command.add_option("--engine_file", flags->engine_file, "not offered yet");
  command.add_option("--classmap,--classmap_json", flags->class_map,
                     "-cm: accepted for TAO; the model has its classes");
  command.add_option("--batches", flags->batches, "calibration batches (10)");
  command.add_option("--batch_size", flags->batch_size, "images of a calibration batch (16)");
  command.add_flag("--gen_ds_config", flags->gen_ds_config, "write nvinfer_config.txt, labels.txt");
  command.add_flag("--force", flags->force, "replace outputs that are there");
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, int*>>{
           {"--max_batch_size", &flags->max_batch_size},
           {"--min_batch_size", &flags->min_batch_size},
           {"--opt_batch_size", &flags->opt_batch_size},
           {"--static_batch_size", &flags->static_batch_size},
           {"--target_opset", &flags->opset},
           {"--gpu_index", &flags->gpu_index}}) {
    command.add_option(name, *value, "accepted for TAO; no effect");
  }
  command.add_option("--max_workspace_size", flags->workspace_bytes, "accepted for TAO; no effect");
  command.add_option("--results_dir", flags->results_dir, "accepted for TAO; no effect");
  command.add_flag("--force_ptq", flags->force_ptq, "accepted for TAO; no effect");
  command.add_flag("-s,--strict_type_constraints", flags->strict_types, "accepted for TAO");
  flags->session.words.insert({{"stage.inputs[model]", "-m"},
                               {"stage.inputs[cal_images]", "--cal_image_dir"},
                               {"stage.inputs[calibration]", "--cal_cache_file"},
                               {"stage.outputs[model]", "-o"},
                               {"stage.outputs[onnx]", "--onnx"},
                               {"stage.outputs[calibration]", "--cal_cache_file"},
                               {"stage.outputs[ds_config]", "--gen_ds_config"},
                               {"options.data_type", "--data_type"},
                               {" data_type is", " --data_type is"},
                               {" data_type int8", " --data_type int8"},
                               {"set force", "give --force"},
                               {"force is set", "--force is given"},
                               {"options.batches", "--batches"},
                               {"options.batch_size", "--batch_size"},
                               {"options.force", "--force"}});
  AddSubTaskFlags(command, *flags);
  WhenTyped(command, run, flags, RunExport);
}

}  // namespace trainyard::cli::network
