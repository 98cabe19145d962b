#include "libs/base/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/base/json.h"

namespace trainyard {
namespace {

constexpr size_t kShortestSecret = 3;
// A shorter secret may be a common word ("model"), so it is one only where it stands alone, and one
// of letters and digits ("tlt") only where a key stands: sentences and paths stay readable.
constexpr size_t kShortestEverywhere = 8;
constexpr char kRedacted[] = "[redacted]";

struct LongestFirst {
  bool operator()(const std::string& a, const std::string& b) const {
    return a.size() != b.size() ? a.size() > b.size() : a < b;
  }
};
using Secrets = std::map<std::string, int, LongestFirst>;

// Everything that a line needs. Leaked, so that threads may log until the process ends.
struct LogState {
  std::mutex mutex;
  LogOptions options;
  std::shared_ptr<spdlog::logger> sink;
  std::mutex secrets_mutex;
  // How many hold each; longest first, so that one that holds another goes as a whole.
  Secrets secrets;
};

std::shared_ptr<spdlog::logger> MakeLogger(spdlog::sink_ptr sink) {
  auto logger = std::make_shared<spdlog::logger>("trainyard", std::move(sink));
  logger->set_pattern("%v");  // lines come formatted: spdlog's pattern does not escape
  logger->set_level(spdlog::level::trace);
  logger->flush_on(spdlog::level::trace);
  return logger;
}

LogState& State() {
  static LogState* state = [] {
    auto* fresh = new LogState;
    fresh->sink = MakeLogger(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    return fresh;
  }();
  return *state;
}

absl::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "info";
}

std::string Timestamp() {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::Now(), absl::UTCTimeZone());
}

// Whether text[at - 1] and text[at] are letters or digits, so that no word begins or ends between.
bool IsInsideWord(absl::string_view text, size_t at) {
  const auto is_alnum = [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); };
  return at > 0 && at < text.size() && is_alnum(text[at - 1]) && is_alnum(text[at]);
}

bool IsWord(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return absl::ascii_isalnum(c); });
}

// Whether a key would stand behind `before`: it ends as -k, --key, "key": or X= do.
bool IsBeforeKey(absl::string_view before) {
  const absl::string_view name = before.substr(0, before.find_last_not_of(" \t:=_'\"") + 1);
  const absl::string_view mark = before.substr(name.size());
  if (absl::StrContains(mark, '=')) return true;
  if (mark.empty()) return false;
  const bool is_flag = name == "-k" || absl::EndsWith(name, " -k") || absl::EndsWith(name, "--key");
  const bool is_field = absl::EndsWithIgnoreCase(name, "key");
  return is_flag || (is_field && mark.find_first_not_of(" \t") != absl::string_view::npos);
}

// The length of the secret that `text` has at `at`; 0 when there is none.
size_t SecretAt(absl::string_view text, size_t at, const Secrets& secrets) {
  for (const auto& [secret, holders] : secrets) {
    if (!absl::StartsWith(text.substr(at), secret)) continue;
    if (secret.size() >= kShortestEverywhere) return secret.size();
    if (IsInsideWord(text, at) || IsInsideWord(text, at + secret.size())) continue;
    const bool is_all = secret.size() == text.size();
    if (is_all || !IsWord(secret) || IsBeforeKey(text.substr(0, at))) return secret.size();
  }
  return 0;
}

// Text for people: control letters would let a name forge a line.
std::string PlainString(absl::string_view text) {
  const bool quote = text.empty() || text.find_first_of(" \"\t\r\n=") != absl::string_view::npos ||
                     std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20; });
  return quote ? JsonText(text) : std::string(text);
}

std::string JsonValue(const LogField::Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return JsonText(Redact(*text));
  if (const auto* number = std::get_if<int64_t>(&value)) return absl::StrCat(*number);
  if (const auto* truth = std::get_if<bool>(&value)) return *truth ? "true" : "false";
  const double number = std::get<double>(value);
  return std::isfinite(number) ? absl::StrFormat("%.9g", number) : "null";
}

std::string TextValue(const LogField::Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return PlainString(Redact(*text));
  return JsonValue(value);
}

std::string JsonLine(LogLevel level, absl::string_view message, const std::string& service,
                     std::initializer_list<LogField> fields) {
  std::string line = absl::StrCat("{\"ts\":\"", Timestamp(), "\",\"level\":\"", LevelName(level),
                                  "\",\"msg\":", JsonText(Redact(message)));
  if (!service.empty()) absl::StrAppend(&line, ",\"service\":", JsonText(service));
  for (const LogField& field : fields) {
    absl::StrAppend(&line, ",", JsonText(field.name), ":", JsonValue(field.value));
  }
  return line + "}";
}

std::string TextLine(LogLevel level, absl::string_view message, const std::string& service,
                     std::initializer_list<LogField> fields) {
  std::string line = absl::StrFormat("%s %-7s ", Timestamp(), LevelName(level));
  if (!service.empty()) absl::StrAppend(&line, "[", service, "] ");
  absl::StrAppend(&line, Redact(message));
  for (const LogField& field : fields) {
    absl::StrAppend(&line, " ", field.name, "=", TextValue(field.value));
  }
  return line;
}

}  // namespace

absl::StatusOr<LogLevel> ParseLogLevel(absl::string_view name) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
    if (name == LevelName(level)) return level;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("log level is '", name, "'; expected debug, info, warning or error"));
}

absl::Status StartLogging(const LogOptions& options) {
  std::shared_ptr<spdlog::logger> logger;
  try {
    spdlog::sink_ptr sink;
    if (options.file.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file, /*truncate=*/false);
    }
    logger = MakeLogger(std::move(sink));
  } catch (const spdlog::spdlog_ex& error) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot log to '", options.file, "': ", error.what()));
  }
  LogState& state = State();
  const std::lock_guard<std::mutex> lock(state.mutex);
  state.options = options;
  state.sink = std::move(logger);
  return absl::OkStatus();
}

void Log(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields) {
  LogState& state = State();
  std::shared_ptr<spdlog::logger> sink;
  std::string service;
  bool json;
  {
    const std::lock_guard<std::mutex> lock(state.mutex);
    if (level < state.options.level) return;
    sink = state.sink;
    service = state.options.service;
    json = state.options.json;
  }
  const std::string line = json ? JsonLine(level, message, service, fields)
                                : TextLine(level, message, service, fields);
  sink->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

std::shared_ptr<const void> HoldSecret(absl::string_view secret) {
  if (secret.size() < kShortestSecret) return nullptr;
  LogState& state = State();
  const std::lock_guard<std::mutex> lock(state.secrets_mutex);
  ++state.secrets[std::string(secret)];
  const auto release = [](const std::string* held) {
    LogState& log = State();
    const std::lock_guard<std::mutex> guard(log.secrets_mutex);
    if (--log.secrets[*held] == 0) log.secrets.erase(*held);
    delete held;
  };
  return std::shared_ptr<const std::string>(new std::string(secret), release);
}

void RegisterSecret(absl::string_view secret) {
  if (secret.size() < kShortestSecret) return;
  LogState& state = State();
  const std::lock_guard<std::mutex> lock(state.secrets_mutex);
  ++state.secrets[std::string(secret)];
}

std::string Redact(absl::string_view text) {
  LogState& state = State();
  const std::lock_guard<std::mutex> lock(state.secrets_mutex);
  if (state.secrets.empty()) return std::string(text);
  std::string redacted;
  size_t at = 0;
  while (at < text.size()) {
    const size_t length = SecretAt(text, at, state.secrets);
    if (length > 0) {
      redacted += kRedacted;
    } else {
      redacted += text[at];
    }
    at += std::max<size_t>(length, 1);
  }
  return redacted;
}

}  // namespace trainyard
