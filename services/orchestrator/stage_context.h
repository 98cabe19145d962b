#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/orchestrator/environment.h"
#include "services/orchestrator/pipeline.h"
#include "trainyard/v1/operation.pb.h"

namespace trainyard::orchestrator {

/// Where a stage's service is: the pipeline's choice, or the orchestrator's. May be empty. Refers to
/// one of the arguments.
const std::vector<std::string>& AddressesOf(const Environment& environment,
                                            const Pipeline& pipeline, const StageSpec& stage);

/// One stage of one run, and what it stands on. All must outlive this object.
struct StageContext {
  const Environment& environment;
  const Pipeline& pipeline;
  const RunChoices& choices;
  const StageSpec& stage;
  std::string run_id;

  /// The absolute path of a URI of the pipeline.
  absl::StatusOr<std::string> Resolve(const std::string& uri) const;
  /// AddressesOf.
  const std::vector<std::string>& Addresses() const;
  /// The reference of the model key; "" for kinds that do not use one.
  const std::string& Key() const;
  /// kDataLoss unless each output is there and has the digest that was reported; kCancelled after
  /// `stop`.
  absl::Status VerifyOutputs(const v1::StageResult& result, const std::stop_token& stop) const;
};

}  // namespace trainyard::orchestrator
