#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "trainyard/v1/orchestrator.pb.h"

namespace trainyard::orchestrator {

/// What may happen to a run. The numbers are stored: append only.
enum class EventType {
  /// Payload: v1.Run with all stages PENDING.
  kRunCreated = 1,
  /// The stage's request is about to be sent. Payload of this and all stage events: v1.Run.Stage with
  /// the name and what changes. Here: attempt, address, cache_key.
  kStageStarted = 2,
  /// A service took it: operation.
  kStageSubmitted = 3,
  /// Tried again with the same work: reason.
  kStageRetried = 4,
  /// Done again with the overrides of its gate: reason.
  kStageVaried = 5,
  /// outputs (they exist and have these digests), metrics, reason, broken_gates.
  kStageSucceeded = 6,
  /// As kStageSucceeded, from an earlier run.
  kStageCached = 7,
  /// error; metrics and broken_gates when a gate broke.
  kStageFailed = 8,
  /// reason.
  kStageSkipped = 9,
  kStageCancelled = 10,
  /// No payload.
  kCancelRequested = 11,
  /// Payload: v1.Run with state and error.
  kRunEnded = 12,
};

struct RunEvent {
  /// 1 for the first of the run, then without gaps.
  int64_t sequence = 0;
  absl::Time time;
  EventType type = EventType::kRunCreated;
  /// A serialized message, by the type.
  std::string payload;
};

/// All that is known of a run: the fold of its events.
struct RunState {
  v1::Run run;
  /// How often a stage was varied by its gate.
  std::map<std::string, int> variants;
  bool cancel_requested = false;
};

/// Whether nothing will change it any more.
bool IsFinal(v1::Run::State state);
/// Whether its outputs may be used: SUCCEEDED or CACHED.
bool IsGood(v1::Run::State state);
/// nullptr when there is none.
const v1::Run::Stage* FindStage(const v1::Run& run, absl::string_view name);
v1::Run::Stage* FindStage(v1::Run& run, absl::string_view name);

/// Applies one event. A pure function of both.
///
///     stage: PENDING -> RUNNING (kStageStarted) -> SUCCEEDED | FAILED | CANCELLED
///            RUNNING -> PENDING (kStageRetried, kStageVaried)
///            PENDING -> CACHED | SKIPPED | FAILED | CANCELLED
///            RUNNING -> CANCELLING (kCancelRequested) -> SUCCEEDED | FAILED | CANCELLED
///     run:   RUNNING -> CANCELLING -> CANCELLED | SUCCEEDED | FAILED; RUNNING -> SUCCEEDED | FAILED
///
/// kDataLoss, and no change, for a payload that does not parse, a gap in the sequence, a stage that
/// is not there, or a move that the picture does not show.
absl::Status Apply(const RunEvent& event, RunState& state);

/// The state after all events, which begin with kRunCreated.
absl::StatusOr<RunState> Fold(absl::Span<const RunEvent> events);

}  // namespace trainyard::orchestrator
