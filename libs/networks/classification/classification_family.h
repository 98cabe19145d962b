#pragma once

#include "libs/networks/family.h"

namespace trainyard::networks {

/// Image classification, as TAO's makenet has it.
const NetworkFamily& ClassificationFamily();

}  // namespace trainyard::networks
