#pragma once

#include <string>
#include <vector>

#include "libs/networks/classification/classification_spec.h"
#include "libs/spec/field_check.h"

namespace trainyard::networks::internal {

/// CheckClassification, with the problems added to `check`.
void CheckClassificationInto(const spec::classification::v1::Experiment& experiment,
                             spec::SpecUse use, spec::internal::FieldCheck* check);

/// Appends a line to `warnings` (may be null) for every field that is set and that only other
/// backbones act upon.
void WarnOfOtherBackbones(const spec::classification::v1::ModelConfig& config,
                          const spec::FieldPlaces& places, std::vector<std::string>* warnings);

/// The same for an image_mean beside a preprocess_mode that has its own.
void WarnOfUnusedMean(const spec::classification::v1::TrainConfig& config,
                      const spec::FieldPlaces& places, std::vector<std::string>* warnings);

/// The same for colours that are to change where pictures are not cut at random, or have one channel.
void WarnOfUnusedColors(const spec::classification::v1::Experiment& experiment,
                        const spec::FieldPlaces& places, std::vector<std::string>* warnings);

}  // namespace trainyard::networks::internal
