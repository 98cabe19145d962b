#include "services/orchestrator/stage_check.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/worker/rpc_status.h"
#include "services/orchestrator/references.h"
#include "services/orchestrator/stage_context.h"
#include "services/orchestrator/stage_input.h"

namespace trainyard::orchestrator {
namespace {

// One question, and all questions of a pipeline: whoever starts a run waits for them.
constexpr absl::Duration kQuestionDeadline = absl::Seconds(10);
constexpr absl::Duration kAllQuestions = absl::Seconds(20);

// Puts the problems of `status`, or the status itself, below `field`.
void Collect(const absl::Status& status, const std::string& field, Problems& all,
             absl::StatusCode& code) {
  if (status.ok()) return;
  const std::vector<Problem> problems = ProblemsFrom(status);
  for (Problem problem : problems) {
    problem.field = problem.field.empty() ? field : absl::StrCat(field, ".", problem.field);
    all.AddProblem(std::move(problem));
  }
  if (problems.empty()) all.Add(field, "%s", std::string(status.message()));
  if (code == absl::StatusCode::kOk) {
    code = status.code();
  } else if (code != status.code()) {
    code = absl::StatusCode::kInvalidArgument;
  }
}

class StageChecker {
 public:
  StageChecker(const Environment& environment, const Pipeline& pipeline, const std::string& key)
      : environment_(environment), pipeline_(pipeline), key_(key) {}

  absl::Status Check(const StageSpec& stage) {
    TY_ASSIGN_OR_RETURN(v1::StageInput input, BuildDraftInput(pipeline_, stage, room_));
    TY_RETURN_IF_ERROR(CheckSpec(stage, input));
    const std::vector<std::string>& addresses = AddressesOf(environment_, pipeline_, stage);
    if (addresses.empty()) {
      return absl::FailedPreconditionError(
          absl::StrCat("needs service '", stage.kind->service,
                       "', which has no address; name one under `services` of the pipeline"));
    }
    if (!IsSelfContained(stage)) return absl::OkStatus();
    if (stage.kind->uses_key) input.set_key(key_.empty() ? pipeline_.key : key_);
    return Ask(addresses, {.kind = stage.kind,
                           .stage = std::move(input),
                           .options = stage.options,
                           .validate_only = true});
  }

  /// The spec as a broken gate would want it, hours later.
  absl::Status CheckRetry(const StageSpec& stage) const {
    if (stage.gates.retry_overrides.empty()) return absl::OkStatus();
    TextRoom room;
    TY_ASSIGN_OR_RETURN(const v1::StageInput input,
                        BuildDraftInput(pipeline_, stage, room, /*variant=*/1));
    return CheckSpec(stage, input);
  }

 private:
  absl::Status CheckSpec(const StageSpec& stage, const v1::StageInput& input) const {
    if (input.spec_text().empty()) return absl::OkStatus();
    const PathRule as_it_is = [](absl::string_view path) { return std::string(path); };
    return environment_.read_spec(SpecQuestionOf(stage, input), as_it_is).status();
  }

  absl::Status Ask(const std::vector<std::string>& addresses, StageCall call) {
    absl::Status status;
    for (const std::string& address : addresses) {
      if (const auto found = silent_.find(address); found != silent_.end()) {
        status = found->second;
        continue;
      }
      if (environment_.draining && environment_.draining()) {
        return absl::UnavailableError("the orchestrator drains; connect again");
      }
      call.deadline = std::min(kQuestionDeadline, kAllQuestions - (SteadyNow() - begun_));
      if (call.deadline <= absl::ZeroDuration()) {
        return absl::UnavailableError(
            absl::StrCat("was not checked: the services took ", absl::FormatDuration(kAllQuestions),
                         " for the stages before it"));
      }
      const auto checked = environment_.client->Start(address, call);
      status = checked.status();
      if (checked.ok() && checked->has_error()) status = worker::StatusFromRpc(checked->error());
      if (absl::IsCancelled(status) || (environment_.draining && environment_.draining())) {
        return absl::UnavailableError("the orchestrator drains; connect again");
      }
      if (absl::IsDeadlineExceeded(status)) {
        status = absl::UnavailableError(absl::StrCat("not checked in time: ", status.message()));
      }
      if (!absl::IsUnavailable(status)) return status;
      silent_.emplace(address, status);
    }
    return status;
  }

  const Environment& environment_;
  const Pipeline& pipeline_;
  const std::string& key_;
  const absl::Duration begun_ = SteadyNow();
  TextRoom room_;
  // Addresses that did not answer, and what they said instead.
  std::map<std::string, absl::Status> silent_;
};

}  // namespace

absl::Status CheckStages(const Environment& environment, const Pipeline& pipeline,
                         const std::string& key) {
  StageChecker checker(environment, pipeline, key);
  Problems problems;
  absl::StatusCode code = absl::StatusCode::kOk;
  Collect(environment.resolve(RunFolder(pipeline, "run"), pipeline.path_map).status(), "results",
          problems, code);
  for (const StageSpec& stage : pipeline.stages) {
    const std::string field = absl::StrCat("stage '", stage.name, "'");
    const absl::Status checked = checker.Check(stage);
    Collect(checked, field, problems, code);
    if (checked.ok()) {
      Collect(checker.CheckRetry(stage), absl::StrCat(field, ".gates.retry"), problems, code);
    }
  }
  return problems.ToStatus(code);
}

}  // namespace trainyard::orchestrator
