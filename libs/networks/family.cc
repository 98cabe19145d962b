#include "libs/networks/family.h"

#include "absl/strings/str_cat.h"

namespace trainyard::networks {

absl::StatusOr<FitPlan> NetworkFamily::Fit(const worker::v1::DataProfile&, const FitLimits&) const {
  return absl::UnimplementedError(
      absl::StrCat("there are no rules that choose a training of network '", name(),
                   "' for a data set yet; `trainyard init ", name(), "` writes a spec to change"));
}

}  // namespace trainyard::networks
