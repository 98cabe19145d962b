#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/worker/rpc_status.h"
#include "services/orchestrator/stage_client.h"

namespace trainyard::orchestrator {

/// Stage services in memory, at any number of addresses: an operation is done by `work` the moment it
/// is followed. Operations outlive the orchestrators that use the fake, as real services do.
/// Thread-safe.
class FakeStageClient : public StageClient {
 public:
  struct Started {
    std::string address;
    StageCall call;
    std::string operation;
  };
  /// Does a stage; the default writes each output file (its content: kind, overrides, options and the
  /// contents of the inputs) and reports mAP 0.9.
  std::function<absl::StatusOr<v1::StageResult>(const StageCall&)> work = WriteOutputs;
  /// Answers instead of starting, when it is not OK.
  std::function<absl::Status(const std::string& address, const StageCall&)> refuse =
      [](const std::string&, const StageCall&) { return absl::OkStatus(); };
  /// What following at an address comes to, when it is not OK.
  std::function<absl::Status(const std::string& address)> lose = [](const std::string&) {
    return absl::OkStatus();
  };
  /// The answer to a cancel that the service does not hear, when it is not OK.
  std::function<absl::Status(const std::string& operation)> hear_cancel = [](const std::string&) {
    return absl::OkStatus();
  };
  v1::GetCapabilitiesResponse capabilities;

  /// Operations are followed but not done until Release.
  void Hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }
  void Release() {
    const std::lock_guard lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }
  /// Returns once `count` operations are being followed.
  void AwaitFollowed(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return followed_ >= count; });
  }
  /// Returns once the operation was told to stop.
  void AwaitCancelled(const std::string& operation) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return cancelled_[operation]; });
  }
  /// The services forget all operations.
  void Forget() {
    const std::lock_guard lock(mutex_);
    by_request_.clear();
    operations_.clear();
  }
  std::vector<Started> started() {
    const std::lock_guard lock(mutex_);
    return started_;
  }
  int cancels() {
    const std::lock_guard lock(mutex_);
    return cancels_;
  }

  absl::StatusOr<Operation> Start(const std::string& address, const StageCall& call) override {
    const absl::Status refused = refuse(address, call);
    if (!refused.ok()) return refused;
    Operation operation;
    if (call.validate_only) {
      operation.set_done(true);
      return operation;
    }
    const std::lock_guard lock(mutex_);
    std::string& name = by_request_[call.request_id];
    if (name.empty()) {
      name = absl::StrCat("operations/", call.kind->service, "/r1/", started_.size() + 1);
      operations_[name] = call;
      started_.push_back({address, call, name});
    }
    operation.set_name(name);
    return operation;
  }

  absl::StatusOr<Operation> Follow(const std::string& address, const std::string& name,
                                   const Listener& listener, std::stop_token stop) override {
    if (const absl::Status lost = lose(address); !lost.ok()) return lost;
    StageCall call;
    {
      std::unique_lock lock(mutex_);
      const auto found = operations_.find(name);
      if (found == operations_.end()) return absl::NotFoundError("no such operation");
      call = found->second;
      ++followed_;
      changed_.notify_all();
      changed_.wait(lock, stop, [&] { return !held_ || cancelled_[name]; });
      if (stop.stop_requested()) return absl::CancelledError("stopped following");
      if (cancelled_[name]) {
        Operation operation;
        operation.set_done(true);
        *operation.mutable_error() = worker::RpcStatusFrom(absl::CancelledError("cancelled"));
        return operation;
      }
    }
    v1::OperationMetadata metadata;
    metadata.mutable_progress()->set_done(1);
    listener.update(metadata);
    Operation operation;
    operation.set_name(name);
    operation.set_done(true);
    const auto result = work(call);
    if (result.ok()) {
      operation.mutable_response()->PackFrom(*result);
    } else {
      *operation.mutable_error() = worker::RpcStatusFrom(result.status());
    }
    return operation;
  }

  absl::Status Cancel(const std::string&, const std::string& name) override {
    if (const absl::Status heard = hear_cancel(name); !heard.ok()) return heard;
    const std::lock_guard lock(mutex_);
    ++cancels_;
    cancelled_[name] = true;
    changed_.notify_all();
    return absl::OkStatus();
  }

  absl::StatusOr<v1::GetCapabilitiesResponse> Capabilities(const std::string&) override {
    return capabilities;
  }

  /// See `work`. Workspace URIs are absolute paths in these tests.
  static absl::StatusOr<v1::StageResult> WriteOutputs(const StageCall& call) {
    std::string content = absl::StrCat(call.kind->name, " ", call.stage.spec_text());
    for (const std::string& text : call.stage.overrides()) absl::StrAppend(&content, " ", text);
    for (const v1::Artifact& input : call.stage.inputs()) {
      const auto read = ReadFile(input.uri());
      if (!read.ok()) return read.status();
      absl::StrAppend(&content, "\n", *read);
    }
    v1::StageResult result;
    for (const v1::Artifact& output : call.stage.outputs()) {
      std::string path = output.uri();
      v1::Artifact& made = *result.add_outputs();
      made.set_name(output.name());
      if (output.name() == "results") {
        if (absl::Status status = MakeFolders(path); !status.ok()) return status;
        path = JoinPath(path, "best.tlt");
        made.set_name("best");
      }
      if (absl::Status status = WriteFileAtomically(path, content); !status.ok()) return status;
      made.set_uri(path);
      made.set_kind("tlt");
      made.set_sha256(Sha256Hex(content));
      made.set_size_bytes(static_cast<int64_t>(content.size()));
    }
    v1::Metric& metric = *result.add_metrics();
    metric.set_name("mAP");
    metric.set_value(0.9);
    metric.set_higher_is_better(true);
    return result;
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool held_ = false;
  int followed_ = 0;
  int cancels_ = 0;
  std::map<std::string, bool> cancelled_;
  std::map<std::string, std::string> by_request_;
  std::map<std::string, StageCall> operations_;
  std::vector<Started> started_;
};

}  // namespace trainyard::orchestrator
