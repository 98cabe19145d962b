#include "services/orchestrator/run_state.h"

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/base/status.h"

namespace trainyard::orchestrator {
namespace {

using State = v1::Run::State;

google::protobuf::Timestamp ToProto(absl::Time time) {
  return google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(time));
}

bool Works(State state) { return state == v1::Run::RUNNING || state == v1::Run::CANCELLING; }

bool MayMove(EventType type, State from) {
  switch (type) {
    case EventType::kStageStarted:
      // A request that a first address refused goes to a second one.
      return from == v1::Run::PENDING || Works(from);
    case EventType::kStageSubmitted:
    case EventType::kStageRetried:
    case EventType::kStageSucceeded:
      return Works(from);
    case EventType::kStageVaried:
    case EventType::kStageFailed:
    case EventType::kStageCancelled:
      return from == v1::Run::PENDING || Works(from);
    case EventType::kStageCached:
    case EventType::kStageSkipped:
      return from == v1::Run::PENDING;
    default:
      return false;
  }
}

void CopyResult(const v1::Run::Stage& change, v1::Run::Stage& stage) {
  *stage.mutable_outputs() = change.outputs();
  *stage.mutable_metrics() = change.metrics();
  *stage.mutable_notes() = change.notes();
  *stage.mutable_broken_gates() = change.broken_gates();
  if (!change.reason().empty()) stage.set_reason(change.reason());
  if (!change.cache_key().empty()) stage.set_cache_key(change.cache_key());
}

void End(State state, absl::Time time, v1::Run::Stage& stage) {
  stage.set_state(state);
  *stage.mutable_end_time() = ToProto(time);
  stage.clear_progress();
}

void Restart(const v1::Run::Stage& change, v1::Run::Stage& stage) {
  stage.set_state(v1::Run::PENDING);
  stage.clear_operation();
  stage.clear_address();
  stage.clear_progress();
  stage.set_reason(change.reason());
}

void ApplyToStage(const RunEvent& event, const v1::Run::Stage& change, bool cancelling,
                  v1::Run::Stage& stage) {
  switch (event.type) {
    case EventType::kStageStarted:
      stage.set_state(cancelling ? v1::Run::CANCELLING : v1::Run::RUNNING);
      stage.set_attempt(change.attempt());
      stage.set_address(change.address());
      stage.set_cache_key(change.cache_key());
      stage.clear_operation();
      if (!stage.has_start_time()) *stage.mutable_start_time() = ToProto(event.time);
      return;
    case EventType::kStageSubmitted:
      stage.set_operation(change.operation());
      return;
    case EventType::kStageRetried:
    case EventType::kStageVaried:
      return Restart(change, stage);
    case EventType::kStageSucceeded:
      CopyResult(change, stage);
      return End(v1::Run::SUCCEEDED, event.time, stage);
    case EventType::kStageCached:
      CopyResult(change, stage);
      return End(v1::Run::CACHED, event.time, stage);
    case EventType::kStageFailed:
      CopyResult(change, stage);
      stage.clear_outputs();
      *stage.mutable_error() = change.error();
      return End(v1::Run::FAILED, event.time, stage);
    case EventType::kStageSkipped:
      stage.set_reason(change.reason());
      return End(v1::Run::SKIPPED, event.time, stage);
    case EventType::kStageCancelled:
      return End(v1::Run::CANCELLED, event.time, stage);
    default:
      return;
  }
}

absl::Status Damaged(const RunEvent& event, absl::string_view what) {
  return absl::DataLossError(absl::StrCat("event ", event.sequence, " (type ",
                                          static_cast<int>(event.type), ") ", what));
}

absl::Status ApplyCreated(const RunEvent& event, RunState& state) {
  if (event.sequence != 1) return Damaged(event, "creates a run that is there already");
  if (!state.run.ParseFromString(event.payload)) return Damaged(event, "does not parse");
  *state.run.mutable_create_time() = ToProto(event.time);
  return absl::OkStatus();
}

absl::Status ApplyEnded(const RunEvent& event, RunState& state) {
  v1::Run change;
  if (!change.ParseFromString(event.payload)) return Damaged(event, "does not parse");
  if (!IsFinal(change.state())) return Damaged(event, "ends a run without a final state");
  state.run.set_state(change.state());
  if (change.has_error()) *state.run.mutable_error() = change.error();
  *state.run.mutable_end_time() = ToProto(event.time);
  return absl::OkStatus();
}

void ApplyCancel(RunState& state) {
  state.cancel_requested = true;
  state.run.set_state(v1::Run::CANCELLING);
  for (v1::Run::Stage& stage : *state.run.mutable_stages()) {
    if (stage.state() == v1::Run::RUNNING) stage.set_state(v1::Run::CANCELLING);
  }
}

absl::Status ApplyStage(const RunEvent& event, RunState& state) {
  v1::Run::Stage change;
  if (!change.ParseFromString(event.payload)) return Damaged(event, "does not parse");
  v1::Run::Stage* stage = FindStage(state.run, change.name());
  if (stage == nullptr) {
    return Damaged(event, absl::StrCat("is for stage '", change.name(), "', which is not there"));
  }
  if (!MayMove(event.type, stage->state())) {
    return Damaged(event, absl::StrCat("cannot follow state ", v1::Run::State_Name(stage->state()),
                                       " of stage '", change.name(), "'"));
  }
  if (event.type == EventType::kStageVaried) ++state.variants[change.name()];
  ApplyToStage(event, change, state.cancel_requested, *stage);
  return absl::OkStatus();
}

absl::Status ApplyAny(const RunEvent& event, RunState& state) {
  if (event.type == EventType::kRunCreated) return ApplyCreated(event, state);
  if (IsFinal(state.run.state())) return Damaged(event, "follows the end of the run");
  if (event.type == EventType::kRunEnded) return ApplyEnded(event, state);
  if (event.type == EventType::kCancelRequested) {
    ApplyCancel(state);
    return absl::OkStatus();
  }
  return ApplyStage(event, state);
}

}  // namespace

bool IsFinal(v1::Run::State state) {
  return state == v1::Run::SUCCEEDED || state == v1::Run::FAILED || state == v1::Run::CANCELLED ||
         state == v1::Run::CACHED || state == v1::Run::SKIPPED;
}

bool IsGood(v1::Run::State state) {
  return state == v1::Run::SUCCEEDED || state == v1::Run::CACHED;
}

const v1::Run::Stage* FindStage(const v1::Run& run, absl::string_view name) {
  for (const v1::Run::Stage& stage : run.stages()) {
    if (stage.name() == name) return &stage;
  }
  return nullptr;
}

v1::Run::Stage* FindStage(v1::Run& run, absl::string_view name) {
  return const_cast<v1::Run::Stage*>(FindStage(static_cast<const v1::Run&>(run), name));
}

absl::Status Apply(const RunEvent& event, RunState& state) {
  if (event.sequence != state.run.sequence() + 1) {
    return Damaged(event, absl::StrCat("follows event ", state.run.sequence()));
  }
  TY_RETURN_IF_ERROR(ApplyAny(event, state));
  state.run.set_sequence(event.sequence);
  return absl::OkStatus();
}

absl::StatusOr<RunState> Fold(absl::Span<const RunEvent> events) {
  if (events.empty() || events.front().type != EventType::kRunCreated) {
    return absl::DataLossError("the events do not begin with the creation of the run");
  }
  RunState state;
  for (const RunEvent& event : events) TY_RETURN_IF_ERROR(Apply(event, state));
  return state;
}

}  // namespace trainyard::orchestrator
