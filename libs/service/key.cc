#include "libs/service/key.h"

#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/files.h"
#include "libs/base/log.h"

namespace trainyard::service {
namespace {

constexpr char kEnvironment[] = "env:";
constexpr char kFile[] = "file:";
constexpr int64_t kMostKeyBytes = 4096;

absl::StatusOr<std::string> FromEnvironment(const std::string& name) {
  const char* value = getenv(name.c_str());
  if (value != nullptr && *value != '\0') return std::string(value);
  return absl::FailedPreconditionError(
      absl::StrCat("the key is named as env:", name, ", but ", name, " is not set here"));
}

absl::StatusOr<std::string> FromFile(const std::string& path) {
  const auto text = ReadFile(path, kMostKeyBytes);
  if (!text.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the key is named as file:", path, ", but: ", text.status().message()));
  }
  absl::string_view key = *text;
  if (absl::ConsumeSuffix(&key, "\n")) absl::ConsumeSuffix(&key, "\r");
  if (!key.empty()) return std::string(key);
  return absl::FailedPreconditionError(
      absl::StrCat("the key is named as file:", path, ", which is empty"));
}

}  // namespace

bool IsKeyReference(absl::string_view key) {
  return absl::StartsWith(key, kEnvironment) || absl::StartsWith(key, kFile);
}

absl::StatusOr<Key> ResolveKey(const std::string& key) {
  absl::string_view rest = key;
  absl::StatusOr<std::string> resolved = key;
  if (absl::ConsumePrefix(&rest, kEnvironment)) {
    resolved = FromEnvironment(std::string(rest));
  } else if (absl::ConsumePrefix(&rest, kFile)) {
    resolved = FromFile(std::string(rest));
  }
  if (!resolved.ok()) return resolved.status();
  Key held{.text = *resolved, .secret = HoldSecret(*resolved)};
  worker::Wipe(*resolved);
  return held;
}

}  // namespace trainyard::service
