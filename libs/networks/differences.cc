#include "libs/networks/differences.h"

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace trainyard::networks {

void Differences::Compare(const char* field, const std::string& ours, const std::string& theirs) {
  if (ours == theirs) return;
  texts_.push_back(absl::StrCat(field, " is ", ours, ", the model has ", theirs));
}

void Differences::CompareQuietly(const char* field, const std::string& ours,
                                 const std::string& theirs) {
  if (ours != theirs) texts_.push_back(absl::StrCat(field, " (the model's own is kept)"));
}

std::string FrozenKernels(const model::v1::TrainingFlags& flags) {
  std::set<std::string> sorted;
  for (const std::string& name : flags.frozen()) {
    if (!absl::EndsWith(name, "/gamma") && !absl::EndsWith(name, "/beta")) sorted.insert(name);
  }
  return absl::StrJoin(sorted, ", ");
}

std::string FrozenNorms(const model::v1::TrainingFlags& flags) {
  const std::set<std::string> sorted(flags.frozen_batch_norm().begin(),
                                     flags.frozen_batch_norm().end());
  return absl::StrJoin(sorted, ", ");
}

}  // namespace trainyard::networks
