#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "services/orchestrator/environment.h"
#include "services/orchestrator/pipeline.h"
#include "services/orchestrator/run_record.h"
#include "services/orchestrator/stage_cache.h"
#include "services/orchestrator/stage_context.h"

namespace trainyard::orchestrator {

/// One stage of a run from where the record stands to its end: from the cache, or by a service,
/// with retries, gates, and the check that the outputs are there. Use once, from one thread.
class StageExecution {
 public:
  /// All must outlive this object.
  StageExecution(const Environment& environment, const Pipeline& pipeline,
                 const RunChoices& choices, RunRecord& record, const StageSpec& stage);

  /// Blocks until the record shows the stage's end; or, without an end, when the record is shut
  /// down or cannot be written (then the status says why).
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
  // OK, or why nothing that needs the key can be begun.
  absl::Status CheckHasKey() const;
  // Asks the operation to stop whose end was not seen, if there is one.
  void CancelWorking();

  absl::StatusOr<v1::StageResult> Compute(const Prepared& prepared);
  absl::StatusOr<v1::StageResult> Try(const Prepared& prepared);
  absl::StatusOr<AddressPool::Lease> Submit(const Prepared& prepared, const StageCall& call,
                                            int attempt);
  absl::StatusOr<std::string> StartAt(const Prepared& prepared, const StageCall& call, int attempt,
                                      const std::string& address);
  absl::StatusOr<v1::StageResult> Follow(const std::string& address, const std::string& operation);
  bool MayWaitFor(const absl::Status& status, absl::Duration waited) const;
  absl::Status GiveUpTry(const absl::Status& status);
  absl::Status MakeRoom(const Prepared& prepared, int retry);

  /// False when the gate wants the stage done once more.
  absl::StatusOr<bool> Conclude(const Prepared& prepared, const v1::StageResult& result,
                                const std::string& cached_reason);

  bool HoldsStill(const Prepared& prepared, v1::Run::Stage& change);
  v1::Run::Stage Change() const;
  v1::Run::Stage Now() const;

  const StageContext context_;
  StageCache cache_;
  RunRecord& record_;
  // The operation of this stage whose end was not seen; "" = there is none.
  std::string working_;
  // The address whose service went away with an operation of this stage; "" = none did.
  std::string lost_address_;
  // When the service of the operation said something last.
  absl::Duration heard_;
};

}  // namespace trainyard::orchestrator
