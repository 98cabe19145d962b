#include "libs/networks/network.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace trainyard::networks {

absl::Status CheckBelongs(const Network& network, const ModelRecord& record) {
  if (record.network() != network.name()) {
    return absl::InvalidArgumentError(absl::StrCat("is of network '", record.network(),
                                                   "'; the spec is for '", network.name(), "'"));
  }
  const std::vector<std::string> theirs = ClassesOf(record), ours = network.classes();
  if (ours.empty() || ours == theirs) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("has the classes ", absl::StrJoin(theirs, ", "),
                                                 "; the spec maps to ", absl::StrJoin(ours, ", ")));
}

}  // namespace trainyard::networks
