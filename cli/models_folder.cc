#include "cli/models_folder.h"

#include <cstdlib>

namespace trainyard::cli {

std::string ModelsFolder(const std::string& store_flag) {
  if (!store_flag.empty()) return store_flag;
  const char* variable = getenv("TRAINYARD_MODELS");
  return variable != nullptr && *variable != '\0' ? variable : "models";
}

}  // namespace trainyard::cli
