#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/commands.h"
#include "cli/stage_command.h"
#include "libs/base/files.h"
#include "trainyard/v1/convert_engine.pb.h"

namespace trainyard::cli {
namespace {

struct Flags {
  Session session;
  std::string model, key, dims, outputs, engine = "./saved.engine", precision, calibration;
  std::string cal_images, input_order = "nchw";
  std::vector<std::string> profiles, excluded_layers;
  int batch_size = 8, max_batch_size = 16, batches = 10, dla_core = -1;
  int64_t workspace_bytes = 1 << 30;
  bool strict_types = false;
  CLI::Option* calibration_option = nullptr;
};

absl::Status FillOptions(const Flags& flags, v1::BuildOptions& options) {
  for (absl::string_view part : absl::StrSplit(flags.dims, ',', absl::SkipEmpty())) {
    int value = 0;
    if (!absl::SimpleAtoi(part, &value)) {
      return absl::InvalidArgumentError(
          absl::StrCat("-d is '", flags.dims, "'; expected C,H,W such as 3,300,300"));
    }
    options.add_dims(value);
  }
  for (absl::string_view name : absl::StrSplit(flags.outputs, ',', absl::SkipEmpty())) {
    options.add_output_names(std::string(name));
  }
  options.set_data_type(flags.precision);
  options.set_batch_size(flags.batch_size);
  options.set_batches(flags.batches);
  options.set_max_batch_size(flags.max_batch_size);
  for (const std::string& layer : flags.excluded_layers) options.add_excluded_layers(layer);
  if (flags.input_order != "nchw") {
    return absl::UnimplementedError(
        absl::StrCat("-i is '", flags.input_order, "'; only nchw is offered"));
  }
  if (flags.dla_core >= 0) return absl::UnimplementedError("-u (DLA cores) is not offered");
  return absl::OkStatus();
}

// A cache that is named but not there is an error only when it was named: TAO's default is
// ./cal.bin.
std::string CalibrationFile(const Flags& flags) {
  if (flags.calibration_option->count() > 0) return flags.calibration;
  return flags.precision == "int8" && FileExists("./cal.bin") ? "./cal.bin" : "";
}

int RunConverter(const Flags& flags) {
  v1::BuildRequest request;
  const auto status = FillOptions(flags, *request.mutable_options());
  if (!status.ok()) return PrintFailure(flags.session.output, status, FailedAt::kUsage);
  v1::StageInput& stage = *request.mutable_stage();
  stage.set_key(flags.key);
  AddInput(stage, "model", flags.model);
  AddInput(stage, "calibration", CalibrationFile(flags));
  AddInput(stage, "cal_images", flags.cal_images);
  AddOutput(stage, "engine", flags.engine);
  return RunStage(flags.session, request);
}

}  // namespace

void AddConverterCommand(CLI::App& app, Run& run) {
  auto flags = std::make_shared<Flags>();
  CLI::App& command =
      *app.add_subcommand("converter", "compile an .etlt into an engine (tao-converter's flags)");
  command.add_option("model", flags->model, ".etlt to compile")->required();
  command.add_option("-k,--key", flags->key, "key: env:NAME, file:PATH or the key");
  command.add_option("-d", flags->dims, "input dimensions C,H,W, checked against the model");
  command.add_option("-o", flags->outputs, "output names, checked against the model's: NMS, predictions/Softmax");
  command.add_option("-e", flags->engine, "engine to write (./saved.engine)");
  command.add_option("-t", flags->precision, "fp32, fp16 or int8 (fp32)");
  flags->calibration_option =
      command.add_option("-c", flags->calibration, "calibration table (./cal.bin)");
  command.add_option("--cal_image_dir", flags->cal_images,
                     "images to calibrate on and to hold INT8 against FP32 on");
  // One word each, since the model may follow.
  command
      .add_option("--excluded_layers", flags->excluded_layers,
                  "-el: layers that stay in FP32 in an INT8 engine, separated by commas")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_option("-b", flags->batch_size, "images of a calibration batch (8)");
  command.add_option("--batches", flags->batches, "calibration batches (10)");
  command.add_option("-m", flags->max_batch_size, "largest batch (16)");
  command.add_option("-p", flags->profiles, "optimisation profile; accepted, batches are dynamic");
  command.add_option("-i", flags->input_order, "input order (nchw)");
  command.add_flag("-s", flags->strict_types, "accepted for TAO; no effect");
  command.add_option("-u", flags->dla_core, "not offered");
  command.add_option("-w", flags->workspace_bytes, "accepted for TAO; no effect");
  flags->session.words.insert({{"stage.inputs[model]", "the model"},
                               {"stage.inputs[calibration]", "-c"},
                               {"stage.inputs[cal_images]", "--cal_image_dir"},
                               {"stage.outputs[engine]", "-e"},
                               {"stage.key", "-k"},
                               {"options.dims", "-d"},
                               {"options.output_names", "-o"},
                               {"options.data_type", "-t"},
                               {" data_type is", " -t is"},
                               {"excluded_layers has", "-el has"},
                               {"options.max_batch_size", "-m"},
                               {"options.batch_size", "-b"},
                               {"options.batches", "--batches"}});
  AddSessionFlags(command, flags->session);
  WhenTyped(command, run, flags, RunConverter);
}

}  // namespace trainyard::cli
