#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/networks/fit_plan.h"
#include "libs/networks/ssd/ssd_shapes.h"
#include "trainyard/spec/ssd/v1/experiment.pb.h"
#include "trainyard/worker/v1/data_profile.pb.h"

namespace trainyard::networks {

/// A training of this network, chosen for data and time.
struct SsdFit {
  int width = 0, height = 0, depth = 10;
  SsdShapes shapes;
  int batch_size = 0, epochs = 0;
  /// 0: no pruning.
  int retrain_epochs = 0;
  int validation_period = 1;
  double max_rate = 0, soft_start = 0;
  double crop_min_scale = 0, zoom_out_max_scale = 0;
  bool changes_colours = true;
  double macs_per_picture = 0;
};

/// Chooses by kFitRules and kSsdFitRules; each choice and its reason goes to `choices`, in the order in
/// which they depend on each other, what does not look good to `warnings`. A pure function.
///
/// kInvalidArgument for a profile without training pictures, objects or classes, and for a start of a
/// backbone that this network does not have.
///
/// Source: docs/fit.md.
absl::StatusOr<SsdFit> ChooseSsdFit(const worker::v1::DataProfile& profile, const FitLimits& limits,
                                    std::vector<FitChoice>* choices,
                                    std::vector<std::string>* warnings);

/// The spec of the choice: whole, with defaults.
spec::ssd::v1::Experiment SsdFitSpec(const SsdFit& fit, const worker::v1::DataProfile& profile,
                                     const FitLimits& limits);

/// Its files: `specs/train.txt`, `pipeline.yaml` and `probe.yaml`. Fails as ChooseSsdFit.
absl::StatusOr<FitPlan> FitSsd(const worker::v1::DataProfile& profile, const FitLimits& limits);

}  // namespace trainyard::networks
