#pragma once

#include <string>

namespace trainyard::cli {

/// The folder of pretrained models that a command uses: what its --store says, else $TRAINYARD_MODELS, else
/// `models`.
std::string ModelsFolder(const std::string& store_flag);

}  // namespace trainyard::cli
