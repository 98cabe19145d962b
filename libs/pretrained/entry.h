#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "trainyard/model/v1/pretrained.pb.h"

namespace trainyard::pretrained {

using model::v1::PretrainedModel;

/// The public models that are known by name, with the digests of their files of weights. Sorted by
/// name; made once.
const std::vector<PretrainedModel>& BuiltInModels();

/// nullptr when there is none of this name.
const PretrainedModel* FindBuiltIn(absl::string_view name);

/// kInvalidArgument unless a model may be called so: 1 to 64 letters, digits, '_', '-' and '.', the
/// first a letter or digit. Such a name is one part of a path and no more.
absl::Status CheckModelName(absl::string_view name);

/// For people: "(x - 127) / 128, RGB, 224x224"; "RGB, 224x224; pixels not known".
std::string PixelsText(const model::v1::Preprocess& preprocess);

}  // namespace trainyard::pretrained
