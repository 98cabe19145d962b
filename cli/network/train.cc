#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/network/sub_task.h"
#include "libs/base/status.h"
#include "trainyard/v1/train.pb.h"

namespace trainyard::cli::network {
namespace {

struct Flags : SubTask {
  int gpus = 1, initial_epoch = 1;
  std::vector<int> gpu_index;
  bool use_amp = false, use_multiprocessing = false, resume = false, deterministic = false;
  bool strict = false, accept_few_weights = false;
  std::string device;
};

absl::StatusOr<v1::TrainRequest> RequestOf(const Flags& flags) {
  if (flags.gpu_index.size() > 1) {
    return absl::UnimplementedError(absl::StrCat("--gpu_index names ", flags.gpu_index.size(),
                                                 " GPUs; several GPUs are not offered"));
  }
  v1::TrainRequest request;
  v1::StageInput& stage = *request.mutable_stage();
  TY_ASSIGN_OR_RETURN(stage, StageOf(flags));
  AddInput(stage, "model", flags.model);
  AddOutput(stage, "results", flags.results_dir);
  v1::TrainOptions& options = *request.mutable_options();
  options.set_gpus(flags.gpus);
  if (!flags.gpu_index.empty()) options.set_gpu_index(flags.gpu_index.front());
  options.set_initial_epoch(flags.initial_epoch);
  options.set_use_amp(flags.use_amp);
  options.set_resume(flags.resume);
  options.set_deterministic(flags.deterministic);
  options.set_strict(flags.strict);
  options.set_accept_few_weights(flags.accept_few_weights);
  options.set_device(flags.device);
  return request;
}

int RunTrain(const Flags& flags) { return Send(flags, RequestOf(flags)); }

}  // namespace

void AddTrain(CLI::App& network, Run& run) {
  auto flags = std::make_shared<Flags>();
  CLI::App& command = *network.add_subcommand("train", "train a network");
  AddSpec(command, *flags)->required();
  command.add_option("-r,--results_dir", flags->results_dir, "folder for the results")->required();
  command.add_option("-m,--resume_model_weights,--model,--model_path", flags->model,
                     "start from, or with --initial_epoch > 1 resume, this .tlt");
  command.add_option("--initial_epoch,--init_epoch", flags->initial_epoch, "epoch to begin with (1)");
  command.add_option("--gpus", flags->gpus, "number of GPUs (1)");
  command.add_option("--gpu_index", flags->gpu_index, "which GPU");
  command.add_flag("--use_amp", flags->use_amp, "mixed precision");
  command.add_flag("--use_multiprocessing", flags->use_multiprocessing, "accepted for TAO");
  command.add_flag("--resume", flags->resume, "go on from the newest checkpoint of the results");
  command.add_flag("--deterministic", flags->deterministic, "bit-exact repetition");
  command.add_flag("--strict", flags->strict, "stop at the first refused label");
  command.add_flag("--accept-few-weights", flags->accept_few_weights,
                   "start also when less than half of the backbone's weights come from -m");
  command.add_option("--device", flags->device, "auto, cpu or cuda");
  flags->session.words.insert({{"stage.inputs[model]", "-m"},
                               {"stage.outputs[results]", "-r"},
                               {"options.gpus", "--gpus"},
                               {"options.gpu_index", "--gpu_index"},
                               {"options.initial_epoch", "--initial_epoch"},
                               {"options.resume", "--resume"},
                               {"options.use_amp", "--use_amp"},
                               {"options.device", "--device"}});
  AddSubTaskFlags(command, *flags);
  WhenTyped(command, run, flags, RunTrain);
}

}  // namespace trainyard::cli::network
