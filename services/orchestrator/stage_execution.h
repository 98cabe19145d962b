#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/orchestrator/environment.h"
#include "services/orchestrator/pipeline.h"
#include "services/orchestrator/run_record.h"

namespace trainyard::orchestrator {

/// One stage of a run from where the record stands to its end: from the cache, or by a service, with
/// retries, gates, and the check that the outputs are there. Use once, from one thread.
class StageExecution {
 public:
  /// All must outlive this object.
  StageExecution(const Environment& environment, const Pipeline& pipeline,
                 const RunChoices& choices, RunRecord& record, const StageSpec& stage);

  /// Blocks until the record shows the stage's end; or, without an end, when the record is shut down or
  /// cannot be written (then the status says why).
  absl::Status Run();

 private:
  struct Prepared {
    v1::StageInput input;
    /// "" = not to be looked up or stored.
    std::string cache_key;
    int variant = 0;
  };

  absl::Status Work();
  absl::Status End(const absl::Status& outcome);
  absl::StatusOr<Prepared> Prepare();
  absl::StatusOr<std::string> FindKey(const v1::StageInput& input);
  absl::StatusOr<std::string> Hardware();
  std::optional<CacheEntry> FromCache(const std::string& cache_key);

  absl::StatusOr<v1::StageResult> Compute(const Prepared& prepared);
  absl::StatusOr<v1::StageResult> Try(const Prepared& prepared);
  absl::StatusOr<AddressPool::Lease> Submit(const Prepared& prepared, const StageCall& call,
                                            int attempt);
  absl::StatusOr<std::string> StartAt(const Prepared& prepared, const StageCall& call, int attempt,
                                      const std::string& address);
  absl::StatusOr<v1::StageResult> Follow(const std::string& address, const std::string& operation);
  absl::Status MakeRoom(const Prepared& prepared, int retry);
  absl::Status VerifyOutputs(const v1::StageResult& result) const;

  /// False when the gate wants the stage done once more.
  absl::StatusOr<bool> Conclude(const Prepared& prepared, const v1::StageResult& result,
                                const std::string& cached_reason);

  v1::Run::Stage Change() const;
  v1::Run::Stage Now() const;
  absl::StatusOr<std::string> Resolve(const std::string& uri) const;
  const std::vector<std::string>& Addresses() const;
  // "" for kinds that do not use one.
  const std::string& Key() const;

  const Environment& environment_;
  const Pipeline& pipeline_;
  const RunChoices& choices_;
  RunRecord& record_;
  const StageSpec& stage_;
};

}  // namespace trainyard::orchestrator
