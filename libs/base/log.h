#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// "debug", "info", "warning" or "error". kInvalidArgument names the four.
absl::StatusOr<LogLevel> ParseLogLevel(absl::string_view name);

/// Where lines go and how they look.
struct LogOptions {
  /// One JSON object a line; else text for people.
  bool json = false;
  /// Lines below this are dropped.
  LogLevel level = LogLevel::kInfo;
  /// Appended to; "" = stderr.
  std::string file;
  /// The `service` field of every line; "" = none.
  std::string service;
};

/// Sets the process's log up; before it, lines are text on stderr from kInfo on. May be called again.
/// kInvalidArgument when the file cannot be opened; the log stays as it was then.
absl::Status StartLogging(const LogOptions& options);

/// One typed value beside the fixed phrase of a line.
struct LogField {
  using Value = std::variant<std::string, int64_t, double, bool>;

  LogField(absl::string_view name, absl::string_view text)
      : name(name), value(std::string(text)) {}
  LogField(absl::string_view name, const char* text)
      : name(name), value(std::string(text)) {}
  LogField(absl::string_view name, const std::string& text) : name(name), value(text) {}
  LogField(absl::string_view name, bool truth) : name(name), value(truth) {}
  template <typename Integer, std::enable_if_t<std::is_integral_v<Integer>, int> = 0>
  LogField(absl::string_view name, Integer number)
      : name(name), value(static_cast<int64_t>(number)) {}
  LogField(absl::string_view name, double number) : name(name), value(number) {}

  std::string name;
  Value value;
};

/// Writes one line. `message` is a fixed phrase in lower case without a final dot; what varies is a
/// field: `LogInfo("operation succeeded", {{"job", name}, {"elapsed_ms", 8123}})`. Thread-safe.
void Log(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields = {});
inline void LogDebug(absl::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kDebug, message, fields);
}
inline void LogInfo(absl::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kInfo, message, fields);
}
inline void LogWarning(absl::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kWarning, message, fields);
}
inline void LogError(absl::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kError, message, fields);
}

/// While any copy of what it returns lives, `secret` becomes "[redacted]" in every line, and in what
/// Redact is given: one of 8 bytes or more wherever it occurs; a shorter one, which may be an ordinary
/// word ("wrong", "tlt"), behind `-k`, `--key`, `key:` and `=`, and where it is the whole text. Secrets of
/// fewer than 3 bytes are not searched for; whoever holds one must not log it. Thread-safe.
[[nodiscard]] std::shared_ptr<const void> HoldSecret(absl::string_view secret);
/// HoldSecret until the process ends: for a process that serves one holder of a secret only.
void RegisterSecret(absl::string_view secret);
/// `text` without the registered secrets: for messages that leave the process by another way.
std::string Redact(absl::string_view text);

}  // namespace trainyard
