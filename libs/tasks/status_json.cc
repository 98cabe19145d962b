#include "libs/tasks/status_json.h"

#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "libs/base/json.h"
#include "libs/base/writes.h"

namespace trainyard::tasks {
namespace {

void AddObject(JsonMembers& line, const char* name, const JsonMembers& members) {
  if (!members.empty()) line.emplace_back(name, JsonObject(members));
}

}  // namespace

std::string StatusLine(const StatusEntry& entry, absl::Time now) {
  const absl::CivilSecond civil = absl::ToCivilSecond(now, absl::UTCTimeZone());
  JsonMembers line = {
      {"date", JsonText(absl::StrFormat("%d/%d/%d", civil.month(), civil.day(), civil.year()))},
      {"time", JsonText(absl::StrFormat("%d:%d:%d", civil.hour(), civil.minute(), civil.second()))},
      {"status", JsonText(entry.status)},
      {"verbosity", JsonText(entry.verbosity)}};
  if (!entry.message.empty()) line.emplace_back("message", JsonText(entry.message));
  line.insert(line.end(), entry.fields.begin(), entry.fields.end());
  AddObject(line, "categorical", entry.categorical);
  AddObject(line, "graphical", entry.graphical);
  AddObject(line, "kpi", entry.kpi);
  return JsonObject(line) + "\n";
}

absl::Status AppendStatus(const std::string& path, const StatusEntry& entry, absl::Time now) {
  return AppendToFile(path, StatusLine(entry, now));
}

}  // namespace trainyard::tasks
