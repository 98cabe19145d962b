#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "trainyard/v1/convert.grpc.pb.h"
#include "trainyard/v1/convert_engine.grpc.pb.h"
#include "trainyard/v1/export.grpc.pb.h"
#include "trainyard/v1/prune.grpc.pb.h"
#include "trainyard/v1/train.grpc.pb.h"

namespace trainyard::cli {
namespace {

// What all sub-tasks share, with TAO's names. Lives as long as the parser.
struct Task {
  Session session;
  std::string spec, key, model, results_dir;
  std::vector<std::string> overrides;
  // Wrapper options of TAO that mean nothing here (accepted, documented in docs/cli.md).
  int ignored_processes = 0;
  bool verbose = false;

  v1::StageInput Stage() const {
    v1::StageInput stage;
    stage.set_network("ssd");
    stage.set_key(key);
    return stage;
  }
  int Fail(const absl::Status& status) const {
    return PrintFailure(session.output, status, FailedAt::kUsage);
  }
};

void AddTaskFlags(CLI::App& command, Task& task) {
  AddSessionFlags(command, task.session);
  command.add_option("-k,--key", task.key, "key of sealed models: env:NAME, file:PATH or the key");
  command.add_option("--set", task.overrides, "change the spec: path=value (repeatable)");
  command.add_option("--num_processes", task.ignored_processes, "accepted for TAO; no effect");
  command.add_flag("-v,--verbose", task.verbose, "accepted for TAO; no effect");
}

CLI::Option* AddSpec(CLI::App& command, Task& task) {
  return command.add_option("-e,--experiment_spec,--experiment_spec_file,--config_path", task.spec,
                            "experiment spec file");
}

bool IsEngine(const std::string& path) { return absl::EndsWith(path, ".engine"); }

// --- dataset_convert

void AddDatasetConvert(CLI::App& ssd, Run& run) {
  struct Flags : Task {
    std::string output, class_names;
    int validation_fold = 0;
    bool strict = false;
    uint64_t seed = 42;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App& command = *ssd.add_subcommand("dataset_convert", "convert KITTI data to TFRecords");
  command.add_option("-d,--dataset_export_spec,--dataset-export-spec", flags->spec,
                     "dataset export spec file")->required();
  command.add_option("-o,--output_filename", flags->output, "path prefix of the shards")->required();
  command.add_option("-f,--validation_fold", flags->validation_fold, "accepted for TAO; no effect");
  command.add_option("-r,--results_dir", flags->results_dir, "accepted for TAO; no effect");
  command.add_option("-c,--class_names_file", flags->class_names, "class names, one a line");
  command.add_flag("--strict", flags->strict, "stop at the first refused label");
  CLI::Option* seed = command.add_option("--random_seed", flags->seed, "seed of the partition (42)");
  AddTaskFlags(command, *flags);
  command.callback([&run, flags, seed] {
    run = [flags, seed] {
      v1::ConvertRequest request;
      *request.mutable_stage() = flags->Stage();
      const auto status = ReadSpecInto(*request.mutable_stage(), flags->spec, flags->overrides);
      if (!status.ok()) return flags->Fail(status);
      AddInput(*request.mutable_stage(), "class_names", flags->class_names);
      AddOutput(*request.mutable_stage(), "dataset", flags->output);
      request.mutable_options()->set_strict(flags->strict);
      if (seed->count() > 0) request.mutable_options()->set_random_seed(flags->seed);
      return RunStage(flags->session, "convert", request, [](const auto& channel) {
        return v1::ConvertService::NewStub(channel);
      }, &v1::ConvertService::Stub::Convert);
    };
  });
}

// --- train

void AddTrain(CLI::App& ssd, Run& run) {
  struct Flags : Task {
    int gpus = 1, initial_epoch = 1;
    std::vector<int> gpu_index;
    bool use_amp = false, use_multiprocessing = false, resume = false, deterministic = false;
    bool strict = false;
    std::string device;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App& command = *ssd.add_subcommand("train", "train a network");
  AddSpec(command, *flags)->required();
  command.add_option("-r,--results_dir", flags->results_dir, "folder for the results")->required();
  command.add_option("-m,--resume_model_weights,--model,--model_path", flags->model,
                     "start from, or with --initial_epoch > 1 resume, this .tlt");
  command.add_option("--initial_epoch", flags->initial_epoch, "epoch to begin with (1)");
  command.add_option("--gpus", flags->gpus, "number of GPUs (1)");
  command.add_option("--gpu_index", flags->gpu_index, "which GPU");
  command.add_flag("--use_amp", flags->use_amp, "mixed precision");
  command.add_flag("--use_multiprocessing", flags->use_multiprocessing, "accepted for TAO");
  command.add_flag("--resume", flags->resume, "go on from the newest checkpoint of the results");
  command.add_flag("--deterministic", flags->deterministic, "bit-exact repetition");
  command.add_flag("--strict", flags->strict, "stop at the first refused label");
  command.add_option("--device", flags->device, "auto, cpu or cuda");
  AddTaskFlags(command, *flags);
  command.callback([&run, flags] {
    run = [flags] {
      v1::TrainRequest request;
      *request.mutable_stage() = flags->Stage();
      const auto status = ReadSpecInto(*request.mutable_stage(), flags->spec, flags->overrides);
      if (!status.ok()) return flags->Fail(status);
      AddInput(*request.mutable_stage(), "model", flags->model);
      AddOutput(*request.mutable_stage(), "results", flags->results_dir);
      v1::TrainOptions& options = *request.mutable_options();
      options.set_gpus(flags->gpus);
      if (!flags->gpu_index.empty()) options.set_gpu_index(flags->gpu_index.front());
      options.set_initial_epoch(flags->initial_epoch);
      options.set_use_amp(flags->use_amp);
      options.set_resume(flags->resume);
      options.set_deterministic(flags->deterministic);
      options.set_strict(flags->strict);
      options.set_device(flags->device);
      return RunStage(flags->session, "train", request, [](const auto& channel) {
        return v1::TrainService::NewStub(channel);
      }, &v1::TrainService::Stub::Train);
    };
  });
}

// --- evaluate

void AddEvaluate(CLI::App& ssd, Run& run) {
  struct Flags : Task {
    std::string matching, device;
    int gpu_index = 0;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App& command = *ssd.add_subcommand("evaluate", "measure the accuracy of a model or engine");
  AddSpec(command, *flags)->required();
  command.add_option("-m,--model,--model_path", flags->model, ".tlt, .etlt or .engine")->required();
  command.add_option("-r,--results_dir", flags->results_dir, "folder for results.json and curves");
  command.add_option("--gpu_index", flags->gpu_index, "which GPU");
  command.add_option("--matching", flags->matching, "tao, voc or coco");
  command.add_option("--device", flags->device, "auto, cpu or cuda");
  AddTaskFlags(command, *flags);
  command.callback([&run, flags] {
    run = [flags] {
      v1::StageInput stage = flags->Stage();
      const auto status = ReadSpecInto(stage, flags->spec, flags->overrides);
      if (!status.ok()) return flags->Fail(status);
      AddInput(stage, "model", flags->model);
      AddOutput(stage, "results", flags->results_dir);
      if (IsEngine(flags->model)) {
        v1::EvaluateEngineRequest request;
        *request.mutable_stage() = stage;
        request.mutable_options()->set_matching(flags->matching);
        return RunStage(flags->session, "convert-engine", request, [](const auto& channel) {
          return v1::ConvertEngineService::NewStub(channel);
        }, &v1::ConvertEngineService::Stub::EvaluateEngine);
      }
      v1::EvaluateRequest request;
      *request.mutable_stage() = stage;
      request.mutable_options()->set_matching(flags->matching);
      request.mutable_options()->set_device(flags->device);
      return RunStage(flags->session, "train", request, [](const auto& channel) {
        return v1::TrainService::NewStub(channel);
      }, &v1::TrainService::Stub::Evaluate);
    };
  });
}

// --- inference

void AddInference(CLI::App& ssd, Run& run) {
  struct Flags : Task {
    std::string images, annotated, labels, device;
    double threshold = 0.3;
    int batch_size = 0, gpu_index = 0;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App& command = *ssd.add_subcommand("inference", "find objects in images");
  AddSpec(command, *flags)->required();
  command.add_option("-m,--model,--model_path", flags->model, ".tlt, .etlt or .engine")->required();
  command.add_option("-i,--in_image_dir,--image_dir", flags->images, "folder or image")->required();
  command.add_option("-o,--out_image_dir", flags->annotated, "folder for annotated images");
  command.add_option("-l,--out_label_dir", flags->labels, "folder for KITTI labels");
  command.add_option("-r,--results_dir", flags->results_dir,
                     "folder that gets images_annotated/ and labels/");
  command.add_option("-t,--threshold", flags->threshold, "lowest score (0.3)");
  command.add_option("-b,--batch_size", flags->batch_size, "accepted for TAO; no effect");
  command.add_option("--gpu_index", flags->gpu_index, "which GPU");
  command.add_option("--device", flags->device, "auto, cpu or cuda");
  AddTaskFlags(command, *flags);
  command.callback([&run, flags] {
    run = [flags] {
      v1::StageInput stage = flags->Stage();
      const auto status = ReadSpecInto(stage, flags->spec, flags->overrides);
      if (!status.ok()) return flags->Fail(status);
      if (!flags->results_dir.empty()) {
        if (flags->annotated.empty()) {
          flags->annotated = JoinPath(flags->results_dir, "images_annotated");
        }
        if (flags->labels.empty()) flags->labels = JoinPath(flags->results_dir, "labels");
      }
      AddInput(stage, "model", flags->model);
      AddInput(stage, "images", flags->images);
      AddOutput(stage, "images", flags->annotated);
      AddOutput(stage, "labels", flags->labels);
      if (IsEngine(flags->model)) {
        v1::InferEngineRequest request;
        *request.mutable_stage() = stage;
        request.mutable_options()->set_threshold(flags->threshold);
        return RunStage(flags->session, "convert-engine", request, [](const auto& channel) {
          return v1::ConvertEngineService::NewStub(channel);
        }, &v1::ConvertEngineService::Stub::InferEngine);
      }
      v1::InferRequest request;
      *request.mutable_stage() = stage;
      request.mutable_options()->set_threshold(flags->threshold);
      request.mutable_options()->set_device(flags->device);
      return RunStage(flags->session, "train", request, [](const auto& channel) {
        return v1::TrainService::NewStub(channel);
      }, &v1::TrainService::Stub::Infer);
    };
  });
}

// --- prune

void AddPrune(CLI::App& ssd, Run& run) {
  struct Flags : Task {
    std::string output, normalizer, criterion;
    int granularity = 8, min_filters = 16;
    double threshold = 0.1, remove = 0;
    std::vector<std::string> excluded;
    bool tao_compat = false;
    int gpus = 1, gpu_index = 0;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App& command = *ssd.add_subcommand("prune", "remove the channels that matter least");
  command.add_option("-m,--model,--pretrained_model", flags->model, ".tlt to prune")->required();
  command.add_option("-o,--output_file", flags->output, ".tlt to write")->required();
  command.add_option("--results_dir", flags->results_dir, "accepted for TAO; no effect");
  command.add_option("-n,--normalizer", flags->normalizer, "max or L2 (max)");
  command.add_option("--equalization_criterion", flags->criterion,
                     "-eq: union, intersection, arithmetic_mean, geometric_mean (union)");
  command.add_option("--pruning_granularity", flags->granularity, "-pg: multiple of kept channels (8)");
  command.add_option("--pruning_threshold", flags->threshold, "-pth: norms not above this go (0.1)");
  command.add_option("--min_num_filters", flags->min_filters, "-nf: fewest channels of a layer (16)");
  command.add_option("--excluded_layers", flags->excluded, "-el: layers that keep their channels");
  CLI::Option* remove = command.add_option(
      "--remove", flags->remove, "fraction of the parameters to remove; the threshold is searched");
  command.add_flag("--tao-compat", flags->tao_compat, "the factor N of TAO's L2 normalizer");
  command.add_option("--gpus", flags->gpus, "accepted for TAO; no effect");
  command.add_option("--gpu_index", flags->gpu_index, "accepted for TAO; no effect");
  AddTaskFlags(command, *flags);
  command.callback([&run, flags, remove] {
    run = [flags, remove] {
      v1::PruneRequest request;
      *request.mutable_stage() = flags->Stage();
      AddInput(*request.mutable_stage(), "model", flags->model);
      AddOutput(*request.mutable_stage(), "model", flags->output);
      v1::PruneOptions& options = *request.mutable_options();
      options.set_normalizer(flags->normalizer);
      options.set_equalization_criterion(flags->criterion);
      options.set_granularity(flags->granularity);
      options.set_threshold(flags->threshold);
      options.set_min_num_filters(flags->min_filters);
      for (const std::string& layer : flags->excluded) options.add_excluded_layers(layer);
      options.set_tao_compat(flags->tao_compat);
      if (remove->count() > 0) options.set_remove(flags->remove);
      return RunStage(flags->session, "prune", request, [](const auto& channel) {
        return v1::PruneService::NewStub(channel);
      }, &v1::PruneService::Stub::Prune);
    };
  });
}

// --- export

struct ExportFlags : Task {
  std::string output, data_type, cal_images, cal_data, cal_cache, cal_json, engine_file, onnx;
  int batches = 10, batch_size = 16, max_batch_size = 1, static_batch_size = -1, opset = 12;
  int min_batch_size = 1, opt_batch_size = 1, gpu_index = 0;
  int64_t workspace_bytes = 0;
  bool gen_ds_config = false, force_ptq = false, strict_types = false, force = false;
};

absl::Status CheckExportFlags(const ExportFlags& flags) {
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

int RunExport(const ExportFlags& flags) {
  if (const auto status = CheckExportFlags(flags); !status.ok()) return flags.Fail(status);
  v1::ExportRequest request;
  v1::StageInput& stage = *request.mutable_stage();
  stage = flags.Stage();
  if (!flags.spec.empty()) {
    const auto status = ReadSpecInto(stage, flags.spec, flags.overrides);
    if (!status.ok()) return flags.Fail(status);
  }
  // decisions.md A16: ./<input>.etlt unless a name is given.
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
  return RunStage(flags.session, "export", request, [](const auto& channel) {
    return v1::ExportService::NewStub(channel);
  }, &v1::ExportService::Stub::Export);
}

void AddExport(CLI::App& ssd, Run& run) {
  auto flags = std::make_shared<ExportFlags>();
  CLI::App& command = *ssd.add_subcommand("export", "turn a checkpoint into an inference model");
  command.add_option("-m,--model,--model_path", flags->model, ".tlt to export")->required();
  AddSpec(command, *flags);
  command.add_option("-o,--output_file", flags->output, ".etlt to write (./<model>.etlt)");
  command.add_option("--onnx", flags->onnx, "also write a plain ONNX file");
  command.add_option("--data_type", flags->data_type, "fp32, fp16 or int8 (fp32)");
  command.add_option("--cal_image_dir", flags->cal_images, "images that INT8 is calibrated on");
  command.add_option("--cal_cache_file", flags->cal_cache, "calibration table to write");
  command.add_option("--cal_data_file", flags->cal_data, "not offered yet");
  command.add_option("--cal_json_file", flags->cal_json, "not offered yet");
  command.add_option("--engine_file", flags->engine_file, "not offered yet");
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
  AddTaskFlags(command, *flags);
  command.callback([&run, flags] { run = [flags] { return RunExport(*flags); }; });
}

}  // namespace

void AddSsdCommands(CLI::App& app, Run& run) {
  CLI::App& ssd = *app.add_subcommand("ssd", "TAO's sub-tasks of the SSD detector");
  ssd.require_subcommand(1);
  AddDatasetConvert(ssd, run);
  AddTrain(ssd, run);
  AddEvaluate(ssd, run);
  AddPrune(ssd, run);
  AddExport(ssd, run);
  AddInference(ssd, run);
}

}  // namespace trainyard::cli
