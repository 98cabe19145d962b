#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "trainyard/worker/v1/data_profile.pb.h"

namespace trainyard::networks {

/// What the first training on somebody's data may take, and begin with.
struct FitLimits {
  /// Of this machine, from now on to the report. > 0.
  double minutes = 30;
  /// Threads of the training. >= 1.
  int threads = 1;
  /// Whether a GPU trains.
  bool has_gpu = false;
  /// What a training was measured to do: multiply-accumulates of its graph (one forward pass) a second,
  /// everything included; 0 = the rules' own figure.
  double macs_per_second = 0;
  /// A sealed model to start from, and the record's name of its architecture; "" = none.
  std::string start_model, start_arch;
  /// Part of the parameters that pruning removes behind the training. [0, 1); 0 = no pruning.
  double remove = 0;
  uint64_t random_seed = 42;
  /// Absolute folder of all files; what `FitPlan::files` names lies below it.
  std::string folder;
  /// Key reference that the pipelines name: env:NAME or file:PATH; "" = none.
  std::string key;
};

/// A choice, for people.
struct FitChoice {
  /// What was chosen, and its value: "input", "224x160".
  std::string what, value;
  /// Why: the rule with the figures that it saw.
  std::string reason;
};

/// What FitLimits and a profile came to.
struct FitPlan {
  /// Specs and pipelines: path below the folder -> text. Whoever goes on by hand begins with these.
  std::map<std::string, std::string> files;
  /// Of those: the pipeline that makes the model, and one that trains for an epoch on the probe, of whose
  /// stage `train` the rate is taken.
  std::string pipeline, probe;
  /// In the order in which they were made.
  std::vector<FitChoice> choices;
  /// What a person should know.
  std::vector<std::string> warnings;
  /// Multiply-accumulates of a forward pass for one picture: pictures a second times this is
  /// FitLimits::macs_per_second.
  double macs_per_picture = 0;
};

}  // namespace trainyard::networks
