#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "services/orchestrator/pipeline.h"
#include "services/orchestrator/references.h"
#include "services/orchestrator/spec_reader.h"
#include "services/orchestrator/stage_client.h"
#include "trainyard/v1/orchestrator.pb.h"
#include "trainyard/v1/stage.pb.h"

namespace trainyard::orchestrator {

/// The folder of one run's files, a workspace URI: `<results>/<run id>`.
std::string RunFolder(const Pipeline& pipeline, const std::string& run_id);

/// The folder of one stage's files; a stage that its gate varies has another one each time.
std::string StageFolder(const Pipeline& pipeline, const std::string& run_id, const StageSpec& stage,
                        int variant);

/// The common part of a stage's request: references have their values, inputs that are outputs of
/// other stages have their digests, outputs have their places, the gate's overrides follow the
/// stage's own when `variant` > 0. Holds no key. Pure.
///
/// kFailedPrecondition when a stage that is referred to has not ended well, or did not report the
/// output, or when the texts pass kMaxExpandedBytes.
absl::StatusOr<v1::StageInput> BuildStageInput(const Pipeline& pipeline, const StageSpec& stage,
                                               int variant, const v1::Run& run);

/// The same for a run that has not begun: references to outputs get placeholder paths. For checks of
/// specs before anything runs. The texts of all stages share `room`.
absl::StatusOr<v1::StageInput> BuildDraftInput(const Pipeline& pipeline, const StageSpec& stage,
                                               TextRoom& room, int variant = 0);

/// Whether the stage waits for no other one, which might make what it reads: then its service can
/// check it at once.
bool IsSelfContained(const StageSpec& stage);

/// The stage's options for one try: a try after the first goes on from what the earlier one left
/// (`resume`), or replaces it (`force`), where the kind can.
std::shared_ptr<const google::protobuf::Message> OptionsForTry(const StageSpec& stage, int retry);

/// The question to the spec reader.
SpecQuestion SpecQuestionOf(const StageSpec& stage, const v1::StageInput& input);

}  // namespace trainyard::orchestrator
