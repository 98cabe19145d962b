#include "libs/detection/internal/network_call.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status.h"

namespace trainyard {

absl::StatusOr<NetworkCall> NetworkCall::Create(GraphRunner& runner, const Decoder& decoder,
                                                int64_t batches, Clock clock) {
  if (runner.input_names().size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("the network has ", runner.input_names().size(), " inputs (",
                     absl::StrJoin(runner.input_names(), ", "), "); expected one image"));
  }
  const std::vector<std::string>& names = runner.output_names();
  std::vector<size_t> outputs;
  for (const std::string& wanted : decoder.output_names()) {
    const auto found = std::find(names.begin(), names.end(), wanted);
    if (found == names.end()) {
      return absl::InvalidArgumentError(absl::StrCat("the network has no output '", wanted,
                                                     "'; it has ", absl::StrJoin(names, ", ")));
    }
    outputs.push_back(found - names.begin());
  }
  return NetworkCall(runner, std::move(outputs), batches, std::move(clock));
}

double NetworkCall::SteadyMs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(now).count();
}

absl::StatusOr<std::vector<Tensor>> NetworkCall::RunTimed(const Tensor& input) {
  const double begin = clock_();
  TY_ASSIGN_OR_RETURN(std::vector<Tensor> all, runner_->Run({&input, 1}));
  ms_per_image_.push_back((clock_() - begin) / static_cast<double>(input.dim(0)));
  return all;
}

absl::StatusOr<std::vector<Tensor>> NetworkCall::Run(const Tensor& input) {
  if (repeats_ && ms_per_image_.empty()) TY_RETURN_IF_ERROR(RunTimed(input).status());
  TY_ASSIGN_OR_RETURN(const std::vector<Tensor> all, RunTimed(input));
  if (all.size() != runner_->output_names().size()) {
    return absl::InternalError(absl::StrCat("the network returned ", all.size(),
                                            " outputs; it announced ",
                                            runner_->output_names().size()));
  }
  std::vector<Tensor> chosen;
  for (const size_t i : outputs_) chosen.push_back(all[i]);
  return chosen;
}

double NetworkCall::MedianMsPerImage() const {
  if (ms_per_image_.empty()) return 0;
  const ptrdiff_t first = ms_per_image_.size() > 1 ? 1 : 0;
  std::vector<double> times(ms_per_image_.begin() + first, ms_per_image_.end());
  const auto middle = times.begin() + static_cast<ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

}  // namespace trainyard
