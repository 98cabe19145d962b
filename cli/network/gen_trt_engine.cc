// TAO Deploy's way to an engine, `tao deploy NETWORK gen_trt_engine`: the request of `converter`.
#include <cstdio>
#include <memory>
#include <string>

#include "cli/network/sub_task.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "trainyard/v1/convert_engine.pb.h"

namespace trainyard::cli::network {
namespace {

struct Flags : SubTask {
  std::string engine, data_type = "fp32", cal_images, cal_cache, cal_data, cal_json;
  int batches = 10, batch_size = 1, max_batch_size = 1, min_batch_size = 1, opt_batch_size = 1;
  int workspace_gib = 2, gpu_index = 0;
  bool force_ptq = false, strict_types = false;
};

// TAO writes a table that is not there when it has images to calibrate on.
bool IsTableToWrite(const Flags& flags) {
  return !flags.cal_images.empty() && !flags.cal_cache.empty() && !FileExists(flags.cal_cache);
}

absl::StatusOr<v1::BuildRequest> RequestOf(const Flags& flags) {
  if (!flags.cal_json.empty()) {
    return absl::UnimplementedError("--cal_json_file is not offered yet: it belongs to QAT models");
  }
  if (!flags.cal_data.empty()) {
    return absl::UnimplementedError(
        "--cal_data_file is not offered yet; calibrate with --cal_image_dir, or at export");
  }
  if (!flags.overrides.empty()) {
    return absl::InvalidArgumentError("--set changes a spec, which this command has no use for");
  }
  v1::BuildRequest request;
  v1::StageInput& stage = *request.mutable_stage();
  // TAO asks the spec only whether the model is a QAT model; the model itself says that here.
  stage.set_network(flags.network);
  stage.set_key(flags.key);
  AddInput(stage, "model", flags.model);
  AddInput(stage, "cal_images", flags.cal_images);
  if (!IsTableToWrite(flags)) AddInput(stage, "calibration", flags.cal_cache);
  AddOutput(stage, "engine", flags.engine);
  v1::BuildOptions& options = *request.mutable_options();
  options.set_data_type(flags.data_type);
  options.set_batch_size(flags.batch_size);
  options.set_batches(flags.batches);
  options.set_max_batch_size(flags.max_batch_size);
  return request;
}

int RunGenTrtEngine(const Flags& flags) {
  if (IsTableToWrite(flags)) {
    fprintf(stderr,
            "trainyard: warning: --cal_cache_file '%s' is not there and is passed over; no table "
            "is written\n",
            flags.cal_cache.c_str());
  }
  return Send(flags, RequestOf(flags));
}

}  // namespace

void AddGenTrtEngine(CLI::App& network, Run& run) {
  auto flags = std::make_shared<Flags>();
  CLI::App& command = *network.add_subcommand(
      "gen_trt_engine", "compile an .etlt into an engine (TAO Deploy's flags; see converter)");
  command.add_option("-m,--model_path", flags->model, ".etlt to compile")->required();
  command.add_option("--engine_file", flags->engine, "engine to write")->required();
  command.add_option("--data_type", flags->data_type, "fp32, fp16 or int8 (fp32)");
  command.add_option("--cal_image_dir", flags->cal_images, "images to calibrate on");
  command.add_option("--cal_cache_file", flags->cal_cache, "calibration table to read");
  command.add_option("--batches", flags->batches, "calibration batches (10)");
  command.add_option("--batch_size", flags->batch_size, "images of a calibration batch (1)");
  command.add_option("--max_batch_size", flags->max_batch_size, "largest batch (1)");
  command.add_option("--cal_data_file", flags->cal_data, "not offered yet");
  command.add_option("--cal_json_file", flags->cal_json, "not offered yet");
  AddSpec(command, *flags)->description("accepted for TAO; the model says what the spec would");
  command.add_option("-r,--results_dir", flags->results_dir, "accepted for TAO; no effect");
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, int*>>{
           {"--min_batch_size", &flags->min_batch_size},
           {"--opt_batch_size", &flags->opt_batch_size},
           {"--max_workspace_size", &flags->workspace_gib},
           {"--gpu_index", &flags->gpu_index}}) {
    command.add_option(name, *value, "accepted for TAO; no effect");
  }
  command.add_flag("--force_ptq", flags->force_ptq, "accepted for TAO; no effect");
  command.add_flag("-s,--strict_type_constraints", flags->strict_types,
                   "accepted for TAO; no effect");
  flags->session.words.insert({{"stage.inputs[model]", "-m"},
                               {"stage.inputs[calibration]", "--cal_cache_file"},
                               {"stage.inputs[cal_images]", "--cal_image_dir"},
                               {"stage.outputs[engine]", "--engine_file"},
                               {"(-c)", "(--cal_cache_file)"},
                               {" data_type is", " --data_type is"},
                               {"options.data_type", "--data_type"},
                               {"options.max_batch_size", "--max_batch_size"},
                               {"options.batch_size", "--batch_size"},
                               {"options.batches", "--batches"}});
  AddSubTaskFlags(command, *flags);
  WhenTyped(command, run, flags, RunGenTrtEngine);
}

}  // namespace trainyard::cli::network
