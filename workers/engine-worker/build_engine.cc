#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/data/preprocess.h"
#include "libs/engine/benchmark.h"
#include "libs/engine/comparison.h"
#include "libs/engine/engine.h"
#include "libs/networks/registry.h"
#include "libs/quantization/error_report.h"
#include "libs/sealing/model_store.h"
#include "libs/worker/outcome.h"
#include "workers/engine-worker/calibration_images.h"
#include "workers/engine-worker/started.h"
#include "workers/engine-worker/tasks.h"

namespace trainyard::engine_worker {
namespace {

using worker::Context;
using worker::Finished;
using worker::v1::BuildEngineTask;

constexpr char kCalibrationSection[] = "calibration";
/// As in calibrate.cc: bounds the memory for activations.
constexpr int kLargestBatch = 8;
constexpr double kBenchmarkSeconds = 2;
constexpr absl::string_view kCalibrating = "calibrating";
constexpr size_t kWorstLayers = 3;

int ThreadsOf(const Context& context) { return std::max(1, context.job.threads()); }

/// How many images are run at once; never more than the engine takes, whose batch may be fixed.
/// Ranges do not depend on it.
int BatchOf(const BuildEngineTask& task) {
  return std::clamp(std::min(task.batch_size(), task.max_batch_size()), 1, kLargestBatch);
}

absl::Status CheckDims(const BuildEngineTask& task, const model::v1::Preprocess& preprocess) {
  TY_RETURN_IF_ERROR(
      Annotate(data::CheckPreprocess(preprocess), absl::StrCat("model '", task.model(), "'")));
  const std::vector<int64_t> wanted(task.dims().begin(), task.dims().end());
  const std::vector<int64_t> has = {data::ChannelsOf(preprocess), preprocess.height(),
                                    preprocess.width()};
  if (wanted.empty() || wanted == has) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("dims (-d) are ", absl::StrJoin(wanted, ","),
                                                 "; the model '", task.model(), "' has ",
                                                 absl::StrJoin(has, ",")));
}

/// The names are those of TAO's command lines, which only the model's network knows.
absl::Status CheckOutputNames(const BuildEngineTask& task, const ModelRecord& record) {
  if (task.output_names().empty()) return absl::OkStatus();
  TY_ASSIGN_OR_RETURN(const networks::NetworkFamily* family, networks::FamilyOf(record));
  Problems problems;
  for (const std::string& name : task.output_names()) {
    const absl::Status status = family->CheckOutputName(name);
    if (!status.ok()) problems.Add("options.output_names", "%s", status.message());
  }
  return problems.ToStatus();
}

/// The chosen images; none when the task names no folder.
absl::StatusOr<std::vector<std::string>> CalibrationImages(const BuildEngineTask& task,
                                                           const ModelRecord& record,
                                                           Finished& finished) {
  if (task.calibration_images().empty()) return std::vector<std::string>();
  const int64_t wanted = int64_t{task.batches()} * task.batch_size();
  std::vector<std::string> left_out;
  TY_ASSIGN_OR_RETURN(std::vector<std::string> paths,
                      ChooseImages(record, task.calibration_images(), wanted, &left_out));
  for (const std::string& note : left_out) finished.add_notes(note);
  if (static_cast<int64_t>(paths.size()) < wanted) {
    finished.add_notes(absl::StrCat("'", task.calibration_images(), "' has ", paths.size(),
                                    " images, fewer than ", wanted, "; all of them were used"));
  }
  return paths;
}

quantization::BatchSource Feed(Context& context, const ModelRecord& record,
                               std::vector<std::string> paths, int batch_size,
                               absl::string_view what, SkippedImages& skipped) {
  const auto progress = [&context, what](int64_t done, int64_t total) {
    context.Progress(done, total, "images", what);
  };
  const auto skip = [&skipped](const std::string& path, const absl::Status& why) {
    skipped.Add(path, why);
  };
  const auto see = [&skipped](const std::string& path, const data::ImageFacts& facts) {
    skipped.See(path, facts);
  };
  ImageFeed feed{std::move(paths), record.preprocess(), batch_size, context.stop, progress, skip, see};
  if (what == kCalibrating) {
    feed.ended = WarnOfOneColour(context);
  } else {
    feed.most = engine::kMostComparedImages;
  }
  return Batches(std::move(feed));
}

/// The table and where it comes from: the task, the export, the images, in this order. Nothing when
/// there is none of the three.
absl::StatusOr<std::optional<quantization::CalibrationTable>> FindCalibration(
    Context& context, const sealing::SealedModel& sealed, const std::vector<std::string>& images,
    SkippedImages& skipped, Finished& finished) {
  const BuildEngineTask& task = context.job.build_engine();
  if (!task.calibration().empty()) {
    finished.add_notes(absl::StrCat("INT8 ranges: table '", task.calibration(), "'"));
    return quantization::LoadCalibrationTable(task.calibration());
  }
  const auto section = sealed.extra.find(kCalibrationSection);
  if (section != sealed.extra.end()) {
    finished.add_notes("INT8 ranges: the export's own table");
    return quantization::ParseCalibrationTable(section->second,
                                               absl::StrCat(task.model(), ", calibration"));
  }
  if (images.empty()) return std::nullopt;
  TY_ASSIGN_OR_RETURN(quantization::CalibrationTable table,
                      engine::CalibrateGraph(sealed.model.graph, {},
                                             Feed(context, sealed.model.record, images,
                                                  BatchOf(task), kCalibrating, skipped),
                                             BatchOf(task), ThreadsOf(context)));
  finished.add_notes(
      absl::StrCat("INT8 ranges: ", table.images, " images of '", task.calibration_images(), "'"));
  return table;
}

/// Says how far the engine is from FP32, or that nobody knows and how to know it.
void NoteAccuracy(const quantization::QuantizationReport& report, Finished& finished) {
  if (report.compared_images == 0) {
    finished.add_notes(
        "how far INT8 is from FP32 was not compared, since no images were given: build it again "
        "with images (--cal_image_dir; the table is used all the same), or evaluate both engines");
    return;
  }
  std::vector<std::string> outputs;
  double lowest = 0;
  for (const quantization::OutputError& output : report.outputs) {
    if (output.error.signal <= 0) continue;
    const double decibels = output.error.decibels();
    lowest = outputs.empty() ? decibels : std::min(lowest, decibels);
    outputs.push_back(absl::StrFormat("%s %.1f dB", output.output, decibels));
  }
  if (outputs.empty()) return;
  *finished.add_metrics() = worker::MakeMetric("int8_sqnr_db", lowest, "dB", true);
  finished.add_notes(absl::StrCat("this engine against FP32 on ", report.compared_images,
                                  " images, signal over noise: ", absl::StrJoin(outputs, ", ")));
}

std::string ReportPath(const BuildEngineTask& task) {
  return absl::StrCat(task.engine(), ".quantization.json");
}

/// Fills in what INT8 did to each layer, and names the worst in the notes.
absl::Status Explain(Context& context, const sealing::SealedModel& sealed,
                     quantization::QuantizedModel& quantized,
                     const std::function<quantization::BatchSource()>& images, Finished& finished) {
  const BuildEngineTask& task = context.job.build_engine();
  if (images) {
    TY_RETURN_IF_ERROR(engine::ExplainQuantization(sealed.model.graph, quantized, images(),
                                                   BatchOf(task), ThreadsOf(context)));
  }
  NoteAccuracy(quantized.report, finished);
  const std::vector<std::string> worst = quantization::WorstLayers(quantized.report, kWorstLayers);
  if (worst.empty()) return absl::OkStatus();
  finished.add_notes(absl::StrCat("INT8 loses most at ", absl::StrJoin(worst, "; ")));
  return absl::OkStatus();
}

/// Writes the report beside the engine that was just written; one of an earlier engine goes.
absl::Status WriteReport(const BuildEngineTask& task, const engine::BuiltEngine& built,
                         Finished& finished) {
  const std::string path = ReportPath(task);
  if (!built.quantized.has_value()) return RemoveTree(path);
  TY_RETURN_IF_ERROR(
      WriteFileAtomically(path, quantization::QuantizationReportJson(built.quantized->report)));
  TY_ASSIGN_OR_RETURN(*finished.add_outputs(),
                      worker::DescribeArtifact("quantization", path, "log"));
  return absl::OkStatus();
}

absl::Status Measure(Context& context, engine::BuiltEngine& built, Finished& finished) {
  const engine::EngineHeader& header = built.file.header;
  *finished.add_metrics() = worker::MakeMetric("parameters", header.parameters());
  *finished.add_metrics() = worker::MakeMetric("macs", header.macs());
  *finished.add_metrics() = worker::MakeMetric("int8_mac_share", built.coverage.share(), "", true);
  context.Progress(0, 0, "", "measuring speed");
  context.Flush();
  TY_ASSIGN_OR_RETURN(const engine::BenchmarkResult one,
                      engine::Benchmark(*built.runner, 1, kBenchmarkSeconds, context.stop));
  *finished.add_metrics() = worker::MakeMetric("ms_per_image", one.ms_per_image, "ms", false);
  finished.mutable_metrics()->rbegin()->set_primary(true);
  TY_ASSIGN_OR_RETURN(
      const engine::BenchmarkResult most,
      engine::Benchmark(*built.runner, header.max_batch_size(), kBenchmarkSeconds, context.stop));
  *finished.add_metrics() =
      worker::MakeMetric("ms_per_image_at_max_batch", most.ms_per_image, "ms", false);
  *finished.add_metrics() =
      worker::MakeMetric("images_per_second", 1000 / most.ms_per_image, "images/s", true);
  return absl::OkStatus();
}

absl::Status StopIfAsked(const Context& context) {
  return context.stop.stop_requested() ? absl::CancelledError("stopped while building an engine")
                                       : absl::OkStatus();
}

}  // namespace

/// What INT8 needs beside the model: ranges, images to compare on, layers that stay in FP32.
absl::Status PrepareInt8(Context& context, const sealing::SealedModel& sealed,
                         SkippedImages& skipped, engine::EngineOptions& options,
                         Finished& finished) {
  const BuildEngineTask& task = context.job.build_engine();
  TY_ASSIGN_OR_RETURN(std::vector<std::string> images, CalibrationImages(task, sealed.model.record, finished));
  TY_ASSIGN_OR_RETURN(options.calibration,
                      FindCalibration(context, sealed, images, skipped, finished));
  options.quantization.excluded_layers.assign(task.excluded_layers().begin(),
                                              task.excluded_layers().end());
  skipped.RemoveFrom(images);
  if (images.empty()) return absl::OkStatus();
  const int batch = BatchOf(task);
  options.images = [&context, &sealed, &skipped, images, batch] {
    return Feed(context, sealed.model.record, images, batch, "comparing INT8 with FP32", skipped);
  };
  return absl::OkStatus();
}

absl::StatusOr<Finished> BuildEngineFile(Context& context) {
  const BuildEngineTask& task = context.job.build_engine();
  Finished finished;
  TY_ASSIGN_OR_RETURN(
      const sealing::SealedModel sealed,
      sealing::LoadModel(task.model(), {sealing::SealedKind::kExport}, context.key));
  TY_RETURN_IF_ERROR(ReportStarted(context));
  TY_RETURN_IF_ERROR(CheckDims(task, sealed.model.record.preprocess()));
  TY_RETURN_IF_ERROR(CheckOutputNames(task, sealed.model.record));
  TY_RETURN_IF_ERROR(MakeFolders(DirName(task.engine())));
  engine::EngineOptions options;
  options.precision = task.precision();
  options.max_batch_size = task.max_batch_size();
  options.threads = ThreadsOf(context);
  options.source.set_file_name(BaseName(task.model()));
  TY_ASSIGN_OR_RETURN(*options.source.mutable_sha256(), FileDigest(task.model()));

  options.stop = context.stop;
  SkippedImages skipped(context);
  if (absl::AsciiStrToLower(task.precision()) == "int8") {
    TY_RETURN_IF_ERROR(PrepareInt8(context, sealed, skipped, options, finished));
  }
  context.Progress(0, 0, "", "compiling");
  TY_ASSIGN_OR_RETURN(engine::BuiltEngine built, engine::BuildEngine(sealed.model, options));
  for (const std::string& warning : built.warnings) {
    context.Warn(absl::FailedPreconditionError(warning));
    finished.add_notes(warning);
  }
  TY_RETURN_IF_ERROR(StopIfAsked(context));
  // Files are written last: a build that is cancelled leaves none.
  TY_RETURN_IF_ERROR(Measure(context, built, finished));
  if (built.quantized.has_value()) {
    TY_RETURN_IF_ERROR(Explain(context, sealed, *built.quantized, options.images, finished));
    finished.add_notes(absl::StrFormat("%.1f %% of the multiply-accumulates run in INT8",
                                       100 * built.coverage.share()));
  }
  skipped.NoteIn(finished);
  TY_RETURN_IF_ERROR(engine::SaveEngineFile(built.file, task.engine()));
  TY_RETURN_IF_ERROR(WriteReport(task, built, finished));
  TY_ASSIGN_OR_RETURN(v1::Artifact engine,
                      worker::DescribeArtifact("engine", task.engine(), "engine"));
  engine.set_media_version("1");
  *finished.add_metrics() = worker::MakeMetric("bytes", engine.size_bytes(), "bytes", false);
  *finished.add_outputs() = std::move(engine);
  return finished;
}

}  // namespace trainyard::engine_worker
