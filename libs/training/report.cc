#include "libs/training/report.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "libs/base/files.h"
#include "libs/base/json.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/data/image_io.h"
#include "libs/data/preprocess.h"
#include "libs/tasks/metrics.h"
#include "libs/tasks/status_json.h"

namespace trainyard::training {
namespace {

trainyard::v1::Metric MetricOf(const char* name, double value) {
  trainyard::v1::Metric metric;
  metric.set_name(name);
  metric.set_value(value);
  return metric;
}

// NaN when the epoch was not judged.
double PrimaryOf(const EpochSummary& summary) {
  if (!summary.validation) return std::nan("");
  return summary.validation->evaluation.evaluation->Metrics().front().value();
}

// `H:MM:SS[.ffffff]`, as Python prints a timedelta.
std::string TimeText(absl::Duration time) {
  const int64_t micros = absl::ToInt64Microseconds(time);
  const int64_t seconds = micros / 1000000;
  std::string text = absl::StrFormat("%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60);
  if (micros % 1000000 != 0) absl::StrAppendFormat(&text, ".%06d", micros % 1000000);
  return text;
}

double Rounded(double value, double scale) { return std::round(value * scale) / scale; }

}  // namespace

absl::StatusOr<TrainingReport> TrainingReport::Create(worker::Context& context, Options options) {
  tasks::EvaluationNames names = options.task->Names(options.classes);
  std::vector<std::string> keys = {"loss", "lr"};
  if (options.validates) {
    keys.push_back("validation_loss");
    keys.insert(keys.end(), names.columns.begin(), names.columns.end());
  }
  TY_ASSIGN_OR_RETURN(EpochLog log,
                      EpochLog::Open(options.log_path, std::move(keys), options.first_epoch));
  std::optional<TensorBoardWriter> events;
  if (options.visualize) {
    TY_ASSIGN_OR_RETURN(
        events, TensorBoardWriter::Create(JoinPath(options.results_dir, "events"), absl::Now()));
  }
  return TrainingReport(context, std::move(options), std::move(names), std::move(log),
                        std::move(events));
}

absl::Status TrainingReport::Status(const std::string& status, const std::string& message) {
  return tasks::AppendStatus(JoinPath(options_.results_dir, "status.json"),
                             {.status = status, .message = Redact(message)}, absl::Now());
}

absl::Status TrainingReport::Step(double loss, double rate) {
  if (!events_) return absl::OkStatus();
  TY_RETURN_IF_ERROR(events_->Scalar(batches_, "loss", loss));
  return events_->Scalar(batches_++, "lr", rate);
}

absl::Status TrainingReport::FirstBatch(const data::Batch& batch,
                                        const model::v1::Preprocess& preprocess) {
  if (!events_) return absl::OkStatus();
  const int64_t count = std::min<int64_t>(options_.visualize_images, batch.images.dim(0));
  for (int64_t i = 0; i < count; ++i) {
    TY_ASSIGN_OR_RETURN(const Tensor one, batch.images.Rows(i, i + 1));
    TY_ASSIGN_OR_RETURN(const Tensor row, one.Reshape({one.dim(1), one.dim(2), one.dim(3)}));
    Tensor picture = data::PictureOf(row, preprocess);
    const std::shared_ptr<const data::Truth>& seen = batch.samples[static_cast<size_t>(i)].seen;
    if (seen != nullptr) TY_RETURN_IF_ERROR(options_.task->DrawTruth(*seen, picture));
    TY_ASSIGN_OR_RETURN(const std::string png, data::EncodePng(picture));
    TY_RETURN_IF_ERROR(events_->Image(0, absl::StrCat("batch_imgs/", i), picture.dim(1),
                                      picture.dim(0), png));
  }
  return absl::OkStatus();
}

std::map<std::string, trainyard::v1::Metric> TrainingReport::ValuesOf(
    const EpochSummary& summary) const {
  std::map<std::string, trainyard::v1::Metric> values = {{"loss", MetricOf("loss", summary.loss)},
                                                         {"lr", MetricOf("lr", summary.rate)}};
  if (!summary.validation) return values;
  values["validation_loss"] = MetricOf("validation_loss", summary.validation->loss);
  const std::vector<std::string>& columns = names_.columns;
  for (trainyard::v1::Metric& metric : summary.validation->evaluation.evaluation->Metrics()) {
    const std::string column = tasks::ColumnOf(metric);
    if (absl::c_linear_search(columns, column)) values[column] = std::move(metric);
  }
  return values;
}

absl::Status TrainingReport::Epoch(const EpochSummary& summary) {
  const std::map<std::string, trainyard::v1::Metric> values = ValuesOf(summary);
  std::map<std::string, double> row;
  for (const auto& [column, metric] : values) row[column] = metric.value();
  TY_RETURN_IF_ERROR(log_.Append(summary.epoch, row));
  if (events_) {
    for (const auto& [name, value] : row) {
      if (name != "loss" && name != "lr") {
        TY_RETURN_IF_ERROR(events_->Scalar(summary.epoch - 1, name, value));
      }
    }
  }
  TY_RETURN_IF_ERROR(AppendToStatus(summary));
  TY_RETURN_IF_ERROR(AppendToJournal(summary, values));
  LogInfo("epoch done", {{"epoch", summary.epoch},
                         {"epochs", summary.epochs},
                         {"loss", summary.loss},
                         {names_.columns.front(), PrimaryOf(summary)},
                         {"seconds", absl::ToDoubleSeconds(summary.time)}});
  if (summary.validation) {
    LogInfo("validation", {{"table", summary.validation->evaluation.evaluation->Table(5)},
                           {"validation_loss", summary.validation->loss}});
  }
  return absl::OkStatus();
}

absl::Status TrainingReport::AppendToJournal(
    const EpochSummary& summary, const std::map<std::string, trainyard::v1::Metric>& values) {
  worker::WorkerEvent event;
  auto& metrics = *event.mutable_metrics();
  metrics.set_epoch(summary.epoch);
  metrics.set_step(summary.step);
  for (const auto& [column, metric] : values) *metrics.add_metrics() = metric;
  return context_->journal.Append(std::move(event));
}

absl::Status TrainingReport::AppendToStatus(const EpochSummary& summary) {
  const auto text = [](double value) {
    return JsonText(std::isnan(value) ? "nan" : absl::StrCat(value));
  };
  const std::string& title = names_.primary_title;
  const double primary = PrimaryOf(summary);
  const double loss = summary.validation ? summary.validation->loss : std::nan("");
  const absl::Time now = absl::Now();
  const std::string path = JoinPath(options_.results_dir, "status.json");
  if (summary.validation) {
    TY_RETURN_IF_ERROR(tasks::AppendStatus(
        path,
        {.status = "RUNNING",
         .message = "Evaluation metrics generated.",
         .graphical = {{"validation loss", JsonNumber(Rounded(loss, 1e8))},
                       {title, JsonNumber(Rounded(primary, 1e5))}}},
        now));
  }
  tasks::StatusEntry entry{
      .status = "RUNNING",
      .fields = {{"epoch", absl::StrCat(summary.epoch)},
                 {"max_epoch", absl::StrCat(summary.epochs)},
                 {"time_per_epoch", JsonText(TimeText(summary.time))},
                 {"eta", JsonText(TimeText(summary.time * (summary.epochs - summary.epoch)))}},
      .graphical = {{"loss", text(summary.loss)},
                    {"learning_rate", text(summary.rate)},
                    {"validation_loss", text(loss)},
                    {title, text(primary)}}};
  if (summary.validation) entry.kpi = {{title, JsonNumber(primary)}};
  return tasks::AppendStatus(path, entry, now);
}

}  // namespace trainyard::training
