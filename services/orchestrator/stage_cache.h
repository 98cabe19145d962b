#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "services/orchestrator/run_store.h"
#include "services/orchestrator/stage_context.h"
#include "trainyard/v1/stage.pb.h"

namespace trainyard::orchestrator {

/// What was computed before for the same ingredients as a stage's.
class StageCache {
 public:
  /// `context` must outlive this object.
  explicit StageCache(const StageContext& context) : context_(context) {}

  /// The key of the stage with this request, which holds no model key. "" when it is not to be
  /// looked up or stored: it reads a folder that the run itself changes, the service that would tell
  /// its hardware is away, or the model key cannot be read here. Fails with what the spec or a path fails with; kCancelled after `stop`.
  absl::StatusOr<std::string> KeyOf(const v1::StageInput& input, const std::stop_token& stop);
  /// The entry of a key, its outputs looked at; one whose outputs are gone or changed is forgotten.
  /// kCancelled after `stop`, and nothing else.
  absl::StatusOr<std::optional<CacheEntry>> Find(const std::string& cache_key,
                                                 const std::stop_token& stop);

 private:
  absl::StatusOr<std::string> Hardware();
  const StageContext& context_;
};

}  // namespace trainyard::orchestrator
