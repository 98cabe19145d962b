#include "libs/base/key_reference.h"

#include <cstdlib>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/files.h"
#include "libs/base/log.h"

namespace trainyard {
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

/// An editor or `echo` may have left more than the key.
absl::string_view FirstLine(absl::string_view text, const std::string& path) {
  const size_t end = text.find('\n');
  if (end != absl::string_view::npos &&
      text.find_first_not_of(" \t\r\n", end) != absl::string_view::npos) {
    LogWarning("the key file has more than one line; the first is the key", {{"file", path}});
  }
  absl::string_view line = text.substr(0, end);
  absl::ConsumeSuffix(&line, "\r");
  return line;
}

absl::StatusOr<std::string> FromFile(const std::string& path) {
  auto text = ReadFile(path, kMostKeyBytes);
  if (!text.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the key is named as file:", path, ", but: ", text.status().message()));
  }
  std::string key(FirstLine(*text, path));
  explicit_bzero(text->data(), text->size());
  if (!key.empty()) return key;
  return absl::FailedPreconditionError(
      absl::StrCat("the key is named as file:", path, ", whose first line is empty"));
}

}  // namespace

bool IsKeyReference(absl::string_view key) {
  return absl::StartsWith(key, kEnvironment) || absl::StartsWith(key, kFile);
}

absl::StatusOr<std::string> ReadKey(absl::string_view key) {
  if (absl::ConsumePrefix(&key, kEnvironment)) return FromEnvironment(std::string(key));
  if (absl::ConsumePrefix(&key, kFile)) return FromFile(std::string(key));
  return std::string(key);
}

}  // namespace trainyard
