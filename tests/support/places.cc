#include "tests/support/places.h"

namespace trainyard {

std::string SourceDir() { return TRAINYARD_SOURCE_DIR; }
std::string BinaryDir() { return TRAINYARD_BINARY_DIR; }

}  // namespace trainyard
