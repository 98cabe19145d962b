#include <algorithm>

#include "absl/status/status.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/service/internal/operation_record.h"
#include "libs/service/operations.h"
#include "libs/worker/rpc_status.h"

namespace trainyard::service {
namespace {

using Metadata = v1::OperationMetadata;

constexpr int kMostWarnings = 50;

}  // namespace

OperationContext::OperationContext(std::shared_ptr<OperationRecord> record, std::stop_token stop,
                                   std::string key, int threads, int64_t memory,
                                   std::string scratch_dir)
    : record_(std::move(record)),
      name_(record_->name()),
      id_(record_->id()),
      stop_(std::move(stop)),
      key_(std::move(key)),
      threads_(threads),
      memory_(memory),
      scratch_dir_(std::move(scratch_dir)) {}

int OperationContext::attempt() const { return record_->Row().metadata.attempt(); }

absl::Status OperationContext::CheckStop() const {
  if (!stop_.stop_requested()) return absl::OkStatus();
  return absl::CancelledError("stopped on request");
}

absl::StatusOr<std::string> OperationContext::ScratchDir() {
  TY_RETURN_IF_ERROR(MakeFolders(scratch_dir_));
  return scratch_dir_;
}

void OperationContext::Progress(double done, double total, absl::string_view unit,
                                absl::string_view message) {
  record_->Progress(done, total, unit, message);
}

void OperationContext::Report(const v1::Progress& progress) {
  record_->Touch([&](Metadata& metadata) {
    *metadata.mutable_progress() = progress;
    metadata.mutable_progress()->set_message(Redact(progress.message()));
  });
}

void OperationContext::ReportMetrics(absl::Span<const v1::Metric> metrics) {
  record_->Touch([&](Metadata& metadata) {
    for (const v1::Metric& metric : metrics) MergeMetric(metric, &metadata);
  });
}

void OperationContext::Warn(const absl::Status& status) {
  if (status.ok()) return;
  LogWarning("operation goes on after a problem",
             {{"job", name_}, {"problem", std::string(status.message())}});
  record_->Touch([&](Metadata& metadata) {
    if (metadata.warnings_size() < kMostWarnings)
      *metadata.add_warnings() = worker::RpcStatusFrom(status);
  });
}

void OperationContext::SetWorker(absl::string_view worker) {
  record_->Touch([&](Metadata& metadata) { metadata.set_worker(std::string(worker)); });
}
void OperationContext::SetLogUri(absl::string_view uri) {
  record_->Touch([&](Metadata& metadata) { metadata.set_log_uri(std::string(uri)); });
}
void OperationContext::SetTensorboardUri(absl::string_view uri) {
  record_->Touch([&](Metadata& metadata) { metadata.set_tensorboard_uri(std::string(uri)); });
}
void OperationContext::SetResumeUri(absl::string_view uri) {
  record_->Write([&](OperationRow& row) {
    if (row.metadata.resume_uri() == uri) return;
    row.metadata.set_resume_uri(std::string(uri));
    row.deaths = std::min(row.deaths, 1);  // the present try
  }).IgnoreError();  // logged there, and tried again
}

int64_t OperationContext::epoch() const { return record_->Row().epoch; }
int64_t OperationContext::first_epoch() const { return record_->Row().first_epoch; }
std::string OperationContext::job_dir() const { return record_->Row().job_dir; }

absl::Status OperationContext::SetJob(const std::string& job_dir, int64_t epoch) {
  // The worker must not begin before the disk knows its epoch.
  return record_->WriteAndAwait([&](OperationRow& row) {
    if (row.job_dir != job_dir || row.first_epoch == 0) row.first_epoch = epoch;
    row.job_dir = job_dir;
    row.epoch = epoch;
  });
}

void OperationContext::NextAttempt() {
  record_->Write([](OperationRow& row) {
    row.metadata.set_attempt(row.metadata.attempt() + 1);
  }).IgnoreError();  // logged there, and tried again
}

}  // namespace trainyard::service
