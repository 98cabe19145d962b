#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/files.h"
#include "libs/sealing/model_file.h"

namespace trainyard {
namespace {

constexpr int64_t kMaxKeyFile = 64 << 10;

absl::StatusOr<std::string> KeyFromEnvironment(absl::string_view name) {
  if (name.empty()) {
    return absl::InvalidArgumentError("key reference 'env:' names no variable");
  }
  const char* value = std::getenv(std::string(name).c_str());
  if (value == nullptr || *value == '\0') {
    return absl::InvalidArgumentError(absl::StrCat("key reference 'env:", name,
                                                   "': the variable is ",
                                                   value == nullptr ? "not set" : "empty"));
  }
  return std::string(value);
}

absl::StatusOr<std::string> KeyFromFile(absl::string_view path) {
  if (path.empty()) return absl::InvalidArgumentError("key reference 'file:' names no file");
  absl::StatusOr<std::string> content = ReadFile(std::string(path), kMaxKeyFile);
  if (!content.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("key reference 'file:", path, "': ", content.status().message()));
  }
  std::string key = content->substr(0, content->find('\n'));
  if (!key.empty() && key.back() == '\r') key.pop_back();
  if (key.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("key reference 'file:", path, "': the first line is empty"));
  }
  return key;
}

}  // namespace

absl::StatusOr<std::string> ResolveKey(absl::string_view reference) {
  if (absl::ConsumePrefix(&reference, "env:")) return KeyFromEnvironment(reference);
  if (absl::ConsumePrefix(&reference, "file:")) return KeyFromFile(reference);
  return std::string(reference);
}

}  // namespace trainyard
