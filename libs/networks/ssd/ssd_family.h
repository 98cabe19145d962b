#pragma once

#include "libs/networks/family.h"

namespace trainyard::networks {

/// SSD (Liu et al., arXiv:1512.02325) as TAO has it.
const NetworkFamily& SsdFamily();

}  // namespace trainyard::networks
