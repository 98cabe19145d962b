#pragma once

#include <string>
#include <vector>

#include "libs/model/model.h"

namespace trainyard {

/// The fields of a spec that have no effect where a model file's own graph and head are used, since
/// the file says otherwise, each with both values: "ssd_config.variances is [0.1, 0.1, 0.2, 0.2],
/// the model has [1, 1, 1, 1]". `spec` is what Network::Record makes of the spec, `model` the
/// record that is used. With `trains` what is frozen is compared too. Names of classes are not
/// looked at.
std::vector<std::string> OverriddenFields(const ModelRecord& spec,
                                          const ModelRecord& model, bool trains);

}  // namespace trainyard
