#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace trainyard {

/// Takes the names in `folder` for the outputs of an inference: makes the folder and enters them in
/// its ledger, a hidden file beside it, before anything is written. kAlreadyExists when a file of such
/// a name is there that no inference wrote; `what` says what the files are ("label files"). `left`
/// receives what earlier inferences wrote and this one does not.
absl::Status ClaimOutputs(const std::string& folder, const std::set<std::string>& names,
                          absl::string_view what, std::vector<std::string>& left);

}  // namespace trainyard
