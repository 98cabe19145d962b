#include "libs/tasks/network_call.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status.h"

namespace trainyard::tasks {
namespace {

constexpr int kWarmUps = 2;
constexpr size_t kFewestRuns = 3, kMostRuns = 11;
constexpr double kEnoughMs = 1000;

}  // namespace

absl::StatusOr<NetworkCall> NetworkCall::Create(graph::GraphRunner& runner,
                                                const std::vector<std::string>& outputs,
                                                Clock clock) {
  if (runner.input_names().size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("the network has ", runner.input_names().size(), " inputs (",
                     absl::StrJoin(runner.input_names(), ", "), "); expected one image"));
  }
  const std::vector<std::string>& names = runner.output_names();
  std::vector<size_t> places;
  for (const std::string& wanted : outputs) {
    const auto found = std::find(names.begin(), names.end(), wanted);
    if (found == names.end()) {
      return absl::InvalidArgumentError(absl::StrCat("the network has no output '", wanted,
                                                     "'; it has ", absl::StrJoin(names, ", ")));
    }
    places.push_back(found - names.begin());
  }
  return NetworkCall(runner, std::move(places), std::move(clock));
}

double NetworkCall::SteadyMs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(now).count();
}

absl::StatusOr<std::vector<Tensor>> NetworkCall::Run(const Tensor& input) {
  TY_ASSIGN_OR_RETURN(const std::vector<Tensor> all, runner_->Run({&input, 1}));
  if (all.size() != runner_->output_names().size()) {
    return absl::InternalError(absl::StrCat("the network returned ", all.size(),
                                            " outputs; it announced ",
                                            runner_->output_names().size()));
  }
  if (!largest_ || input.dim(0) > largest_->dim(0)) largest_ = input;
  std::vector<Tensor> chosen;
  for (const size_t i : outputs_) chosen.push_back(all[i]);
  return chosen;
}

absl::StatusOr<Latency> NetworkCall::MeasureLatency() {
  if (!largest_) return Latency{};
  for (int i = 0; i < kWarmUps; ++i) {
    TY_RETURN_IF_ERROR(runner_->Run({&*largest_, 1}).status());
  }
  std::vector<double> times;
  const double began = clock_();
  double before = began;
  while (times.size() < kFewestRuns || (times.size() < kMostRuns && before - began < kEnoughMs)) {
    TY_RETURN_IF_ERROR(runner_->Run({&*largest_, 1}).status());
    const double now = clock_();
    times.push_back(now - before);
    before = now;
  }
  const auto middle = times.begin() + static_cast<ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return Latency{.ms_per_image = *middle / static_cast<double>(largest_->dim(0)),
                 .batch_size = static_cast<int>(largest_->dim(0)),
                 .runs = static_cast<int>(times.size())};
}

}  // namespace trainyard::tasks
