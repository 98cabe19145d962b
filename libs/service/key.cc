#include "libs/service/key.h"

#include "libs/base/log.h"
#include "libs/base/status.h"

namespace trainyard::service {

absl::StatusOr<Key> ResolveKey(const std::string& key) {
  TY_ASSIGN_OR_RETURN(std::string resolved, ReadKey(key));
  Key held{.text = resolved, .secret = HoldSecret(resolved)};
  worker::Wipe(resolved);
  return held;
}

}  // namespace trainyard::service
