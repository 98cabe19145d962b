#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/base/key_reference.h"
#include "libs/worker/key_pipe.h"

namespace trainyard::service {

/// The reason of a failure for a key that was given itself, once its process has been started again.
inline constexpr char kKeyLost[] = "KEY_LOST";

/// A key, as long as it is needed; "" = none. While a copy of it lives, log lines and messages have
/// it redacted (libs/base/log.h), and no longer: a wrong key that somebody gave once may be a word of
/// everybody's messages. Each copy is overwritten when it goes.
struct Key {
  ~Key() { worker::Wipe(text); }
  std::string text;
  std::shared_ptr<const void> secret;
};

/// The key itself: of `env:NAME`, of the first line of `file:PATH`, or `key` as it stands.
/// "" stays "". kFailedPrecondition when the variable is not set or the file cannot be read or is empty; the message names the reference.
absl::StatusOr<Key> ResolveKey(const std::string& key);

}  // namespace trainyard::service
