#pragma once

#include <cstdint>

namespace trainyard::networks {

/// What `trainyard fit` goes by, whatever the network; docs/fit.md says why, and where the figures are
/// from. One table, to be tuned in one place.
struct FitRules {
  // The parts of the data.

  /// Training pictures that become validation data where the set has none.
  double validation_share = 0.15;
  /// More training pictures than this are not compared for near duplicates: it takes a decoding of each.
  int64_t most_compared = 20'000;
  int probe_pictures = 96;
  int most_objects = 20'000;

  // The time.

  /// Set aside for export, engines and evaluations: seconds, and a part of all.
  double reserve_seconds = 60;
  double reserve_share = 0.08;
  /// Of the training time, when there is pruning: for the training behind it.
  double retrain_share = 0.35;
  /// Multiply-accumulates of the graph that a training does a second, before it is measured.
  double macs_per_second_of_a_thread = 12.5e9;
  double macs_per_second_of_a_gpu = 1.0e12;
  /// A validation costs this part of a training on as many pictures.
  double validation_cost = 0.4;
  /// Validations in a training.
  int validations = 8;
};

inline constexpr FitRules kFitRules;

}  // namespace trainyard::networks
