#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/networks/network.h"

namespace trainyard::training {

/// What a network's outputs cost against its targets. Not thread-safe.
class Loss {
 public:
  virtual ~Loss() = default;
  /// A scalar on the outputs' device, with autograd history when the outputs have one. `outputs` in the
  /// order of the graph's outputs; `targets` as the network's TargetEncoder makes them, stacked over
  /// the batch, anywhere. kInvalidArgument for shapes that do not belong together.
  virtual absl::StatusOr<at::Tensor> Compute(absl::Span<const at::Tensor> outputs,
                                             absl::Span<const at::Tensor> targets) = 0;
  /// How much the loss of a batch weighs in the validation loss, whose sum is divided by all images: as
  /// many images as it has, but where TAO has it otherwise.
  virtual double ValidationWeight(int64_t images) const { return static_cast<double>(images); }
};

/// The loss of a network, by its name; `output_names` are those of the graph that is trained.
/// kUnimplemented, with the known names, for a network that has none here; kInvalidArgument when the
/// record's head does not fit the graph.
absl::StatusOr<std::unique_ptr<Loss>> CreateLoss(const networks::Network& network,
                                                 const ModelRecord& record,
                                                 absl::Span<const std::string> output_names);

/// The place of the output that a head reads among those of the graph. kInvalidArgument when it has none
/// of that name.
absl::StatusOr<size_t> OutputIndex(const std::string& output,
                                   absl::Span<const std::string> output_names);

}  // namespace trainyard::training
