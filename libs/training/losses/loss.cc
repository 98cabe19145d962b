#include "libs/training/losses/loss.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status.h"
#include "libs/networks/ssd/ssd_network.h"
#include "libs/training/losses/classification_loss.h"
#include "libs/training/losses/ssd_loss.h"

namespace trainyard::training {
namespace {

using Factory = absl::StatusOr<std::unique_ptr<Loss>> (*)(const networks::Network&,
                                                          const ModelRecord&,
                                                          absl::Span<const std::string>);

absl::StatusOr<std::unique_ptr<Loss>> CreateSsdLoss(const networks::Network& network,
                                                    const ModelRecord& record,
                                                    absl::Span<const std::string> output_names) {
  const auto* ssd = dynamic_cast<const networks::SsdNetwork*>(&network);
  if (ssd == nullptr) return absl::InternalError("the network named 'ssd' is no SsdNetwork");
  TY_ASSIGN_OR_RETURN(const size_t conf, OutputIndex(record.ssd().confidence_output(), output_names));
  TY_ASSIGN_OR_RETURN(const size_t loc, OutputIndex(record.ssd().location_output(), output_names));
  const networks::SsdLossOptions options = ssd->loss_options();
  return std::make_unique<SsdLoss>(
      conf, loc,
      SsdLossWeights{.alpha = options.alpha, .neg_pos_ratio = options.neg_pos_ratio});
}

// One line a network.
const std::map<std::string, Factory>& Factories() {
  static const auto* const kFactories = new std::map<std::string, Factory>{
      {"ssd", CreateSsdLoss}, {"classification", ClassificationLossOf}};
  return *kFactories;
}

}  // namespace

absl::StatusOr<size_t> OutputIndex(const std::string& output,
                                   absl::Span<const std::string> output_names) {
  const auto found = std::find(output_names.begin(), output_names.end(), output);
  if (found == output_names.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the record's head reads the output '", output,
                     "', which the graph has not; it has ", absl::StrJoin(output_names, ", ")));
  }
  return static_cast<size_t>(found - output_names.begin());
}

absl::StatusOr<std::unique_ptr<Loss>> CreateLoss(const networks::Network& network,
                                                 const ModelRecord& record,
                                                 absl::Span<const std::string> output_names) {
  const auto found = Factories().find(std::string(network.name()));
  if (found == Factories().end()) {
    return absl::UnimplementedError(absl::StrCat(
        "network '", network.name(), "' cannot be trained yet; those that can: ",
        absl::StrJoin(Factories(), ", ", [](std::string* out, const auto& entry) {
          absl::StrAppend(out, entry.first);
        })));
  }
  return found->second(network, record, output_names);
}

}  // namespace trainyard::training
